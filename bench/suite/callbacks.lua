-- SPDX-License-Identifier: MIT OR Apache-2.0
-- C threads that call a function pointer: moonport.callback beside a bare port, a queue and a socket pair written by hand,
-- and what JavaScript has for it; the round trip of a callback that answers; the price of one call.

local ffi = require("ffi")
local machine = require("machine")
local rounds = require("rounds")
local floods = require("callbacks.floods")
local gather = require("callbacks.gather")
local singles = require("callbacks.singles")

local callbacks = {}

-- The library that calls, and its path. LuaJIT reads its header.
local function load_caller(folder)
  local path, message = machine.compile(folder, "caller")
  if not path then
    error("moonport bench callbacks: it compiles its C parts with cc, which fails:\n" .. message, 0)
  end
  ffi.cdef(machine.read(folder .. "/caller.h"))
  return ffi.load(path), path
end

local function goals_of(cases, all, missing)
  local goals = {}
  local own = floods.find(cases, "moonport callback", 1)
  local function times(name, limit)
    local base = floods.find(cases, name, 1)
    goals[#goals + 1] = {
      what = "1 thread: calls a second, times " .. name,
      value = base and rounds.ratio(own, base, "rate"),
      at = "least",
      limit = limit,
      missing = missing[name] or "it failed",
    }
  end
  times("moonport port", 0.85)
  times("queue under luv", 1.0)
  times("Node-API", 1.2)
  times("Bun", 2.5)
  times("socket pair, cjson", 8)
  times("koffi", 50)
  local checked = all["moonport callback"].checked
  goals[#goals + 1] = {
    what = "calls that are lost or have a wrong string",
    value = checked.lost + checked.corrupted,
    at = "most",
    limit = 0,
  }
  return goals
end

local function notes_of(...)
  local notes = {
    ("Medians of %d rounds in which the contestants take turns;"):format(rounds.COUNT)
      .. " a ratio is the median of the rounds' ratios.",
    "Every string is new, and text: the C threads write it into memory that they use again for the next call. Every handler",
    "gets it as a string of its language and counts. All senders have the same window: they are at most 65,536 calls ahead of",
    "the handler, which reports its count every 256 calls; else they sleep for 0.1 ms and look again. So nobody need drop.",
    "Node-API, Bun and koffi are processes of their own, which make a quarter as many calls before they are measured.",
    "Bun copies nothing: its handler reads memory that the thread has written anew. A caller of koffi always waits for the",
    "handler. socket pair: a message is one send() of JSON, and up to 256 are received for one event of luv's.",
    "A wrong string is one that no call had, or that came before. The checked run is one of its own, with the same window.",
    "Round trips start after a pause of 0.2 ms in which everybody falls asleep; a call's time is without that of the clock,",
    "and that of the port includes writing the string.",
  }
  for _, failures in ipairs({ ... }) do
    for _, failure in ipairs(failures) do
      notes[#notes + 1] = failure
    end
  end
  return notes
end

local function list_of(missing)
  local list = {}
  for _, name in ipairs({ "moonport port", "queue under luv", "socket pair, cjson", "Node-API", "Bun", "koffi" }) do
    list[#list + 1] = missing[name] and { name = name, reason = missing[name] } or nil
  end
  return list
end

function callbacks.run(folder, progress)
  local caller, library = load_caller(folder)
  local counting = floods.counting_for(caller)
  assert(machine.compile(folder:match("^(.*)/") .. "/ports", "latency"))
  local latency = require("latency")
  local all, missing = gather(folder, caller, library)
  progress("checks")
  all = floods.check_all(all, missing, caller)
  local cases, failed_floods = floods.throughput(all, counting, progress)
  progress("round trips")
  local trips, failed_trips = singles.round_trips(all, caller, latency, progress)
  progress("single calls")
  local calls = singles.prices(all, caller, latency, counting, progress)
  return {
    title = "Callbacks: C threads that call a function pointer",
    tables = {
      floods.throughput_table(cases),
      floods.checked_table(all),
      singles.trips_table(trips),
      singles.prices_table(calls),
    },
    goals = goals_of(cases, all, missing),
    notes = notes_of(failed_floods, failed_trips),
    missing = list_of(missing),
  }
end

return callbacks
