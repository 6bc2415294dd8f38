-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The three ways from a C thread into Lua, side by side: a timer that looks (polling), the calling thread under the state's lock
-- (mode = "locked"), and the queue. And how the naked callback of ffi.cast's ends.

local ffi = require("ffi")
local crashes = require("ways.crashes")
local floods = require("callbacks.floods")
local machine = require("machine")
local moonport = require("moonport")
local rounds = require("rounds")
local statistics = require("statistics")

local ways = {}

local TEXT, NUMBER = "void (*)(const char *data, size_t size)", "void (*)(int number)"
local SIZE, DELAYS, PERIOD = 64, 200, 0.01

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local function load(folder, name)
  local path, message = machine.compile(folder, name)
  if not path then
    error("moonport bench ways: it compiles its C parts with cc, which fails:\n" .. message, 0)
  end
  ffi.cdef(read(folder .. "/" .. name .. ".h"))
  return ffi.load(path), path
end

-- The ways: the options of the callback, the loop until is_over(), and how many calls a measurement makes.
local function all_ways(delay)
  local function run()
    moonport.run()
  end
  return {
    {
      name = "polling",
      floods = 20000,
      loop = function(is_over)
        repeat
          delay.delay_pause(PERIOD)
          moonport.step()
        until is_over()
      end,
    },
    { name = "lock", floods = 1000000, options = { mode = "locked" }, loop = run, stop = moonport.stop },
    { name = "queue", floods = 1000000, options = { capacity = 65536 }, loop = run, stop = moonport.stop },
  }
end

local function options_of(way)
  local options = {}
  for name, value in pairs(way.options or {}) do
    options[name] = value
  end
  return options
end

-- Makes a callback, starts calls of it, and runs the way's loop until done() was called.
local function serve(way, declaration, making, start)
  local over = false
  local handler, finish = making(function()
    over = true
    if way.stop then
      way.stop()
    end
  end)
  local target = assert(moonport.callback(declaration, handler, options_of(way)))
  assert(start(target.pointer) == 0, "no thread")
  way.loop(function()
    return over
  end)
  finish()
  target:close()
end

local function flood(case, caller, counting)
  local count = case.way.floods
  local spent = machine.measure(function()
    serve(case.way, TEXT, function(done)
      return counting(count, done)
    end, function(pointer)
      return caller.caller_flood(pointer, count, case.threads)
    end)
  end)
  assert(caller.caller_join() == 0)
  return rounds.sample(spent, count)
end

local function wait(case, delay)
  serve(case.way, NUMBER, function(done)
    return function()
      if delay.delay_heard() == 0 then
        done()
      end
    end, function() end
  end, function(pointer)
    return delay.delay_start(pointer, DELAYS)
  end)
  local idle = delay.delay_idle()
  assert(idle >= 0, "not every call came exactly once")
  return {
    idle = idle,
    low = delay.delay_took(1),
    median = delay.delay_took(2),
    high = delay.delay_took(3),
    most = delay.delay_took(4),
  }
end

local function delays_table(cases)
  local rows = {}
  for at, case in ipairs(cases) do
    local row = { case.way.name }
    for _, field in ipairs({ "median", "high", "most" }) do
      row[#row + 1] = rounds.of(case, field).median / 1000
    end
    local spread = rounds.of(case, "median")
    row[#row + 1] = ("%.1f to %.1f"):format(spread.least / 1000, spread.most / 1000)
    row[#row + 1] = rounds.of(case, "idle").median
    rows[at] = row
  end
  return {
    title = "From a call to its handler, in a process that sleeps",
    columns = { "way", "median, µs", "nine tenths, µs", "99 %, µs", "medians of the rounds, µs", "CPU while idle, %" },
    rows = rows,
    bar = 2,
  }
end

local function floods_table(cases)
  local rows = {}
  for at, case in ipairs(cases) do
    rows[at] = rounds.row(("%d"):format(case.threads), case.way.name, case)
  end
  return {
    title = "Throughput: 64-byte strings, flat out",
    columns = { "threads", "way", "million/s", "least to most", "CPU of Lua's thread, ns a call", "of the process, ns a call" },
    rows = rows,
    bar = 3,
  }
end

local function find(cases, name, threads)
  for _, case in ipairs(cases) do
    if case.way.name == name and case.threads == threads then
      return case
    end
  end
end

-- The median, over the rounds, of what fn gives of two cases' samples.
local function compare(case, base, fn)
  local values = {}
  for round, sample in ipairs(case.samples) do
    values[round] = fn(sample, base.samples[round])
  end
  return statistics.spread(values).median
end

local function goals_of(delays, flat_out, died)
  local polling, queue = find(delays, "polling"), find(delays, "queue")
  return {
    {
      what = "4 threads: calls a second through the queue, times the lock",
      value = rounds.ratio(find(flat_out, "queue", 4), find(flat_out, "lock", 4), "rate"),
      at = "least",
      limit = 1,
    },
    {
      what = "median delay of polling, times the queue",
      value = rounds.ratio(polling, queue, "median"),
      at = "least",
      limit = 100,
    },
    {
      what = "CPU while idle: the queue less polling, percent of a core",
      value = compare(queue, polling, function(own, other)
        return own.idle - other.idle
      end),
      at = "most",
      limit = 0,
    },
    { what = "runs of ffi.cast that die", value = died * 100, unit = " %", at = "least", limit = 50 },
  }
end

local NOTES = {
  "polling: moonport.step() every 10 ms, which delivers at most 256 calls. lock: mode = \"locked\", and Lua's thread sleeps in",
  "moonport.run; the handler runs on the calling thread. queue: the default, and moonport.run.",
  "Delays: from just before the call to the first line of the handler; calls are 1 to 3 ms apart, so that all threads sleep.",
  "CPU while idle: of the process, in a second without a call. Throughput: every string is new; the callers are at most 65,536",
  "calls ahead of the handler, which counts. The CPU of the process has that of the calling threads in it.",
}

function ways.run(folder)
  io.stdout:setvbuf("line")
  local function progress(text)
    io.stderr:write("ways: ", text, "\n")
  end
  local suite = folder:match("^(.*)/")
  local delay = load(folder, "delay")
  local caller, library = load(suite .. "/callbacks", "caller")
  local counting = floods.counting_for(caller)
  local delays, flat_out = {}, {}
  for _, way in ipairs(all_ways(delay)) do
    delays[#delays + 1] = { way = way }
  end
  for _, threads in ipairs({ 1, 4 }) do
    for _, way in ipairs(all_ways(delay)) do
      flat_out[#flat_out + 1] = { way = way, threads = threads }
    end
  end
  progress("delays")
  delays = rounds.run(delays, function(case)
    return wait(case, delay)
  end, progress)
  progress("throughput")
  flat_out = rounds.run(flat_out, function(case)
    return flood(case, caller, counting)
  end, progress)
  local header = suite .. "/callbacks/caller.h"
  local ended, died = crashes.run(folder, machine.executable(), library, header, progress)
  local notes = { ("Medians of %d rounds in which the ways take turns;"):format(rounds.COUNT)
    .. " a ratio is the median of the rounds' ratios." }
  for _, note in ipairs(NOTES) do
    notes[#notes + 1] = note
  end
  return {
    title = "Three ways from a C thread into Lua",
    tables = { delays_table(delays), floods_table(flat_out), ended },
    goals = goals_of(delays, flat_out, died),
    notes = notes,
  }
end

return ways
