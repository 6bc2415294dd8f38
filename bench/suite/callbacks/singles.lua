-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Single calls, each timed: the round trip of one that is answered, and the price of one that is not.

local contestants = require("contestants")
local machine = require("machine")
local moonport = require("moonport")
local rounds = require("rounds")

local TRIPS = 500
local CALLS = 100000

local TEXT = "void (*)(const char *data, size_t size)"
local NUMBER = "int (*)(int number)"

local singles = {}

-- What the library's thread has measured; nothing where an answer was wrong.
local function took(caller)
  local low, median, high = caller.caller_took(1), caller.caller_took(2), caller.caller_took(3)
  return low >= 0 and { low = low, median = median, high = high }
end

-- Round trips. Each trip_of_… gives a function of a placement that takes one sample; nil and the reason where it fails.

local function trip_of_events(latency)
  return function(placement)
    latency.place(placement.owner)
    local low, median, high = latency.bare(TRIPS, placement.asker)
    latency.place(-1)
    return { low = low, median = median, high = high }
  end
end

local function trip_of_callback(caller)
  return function(placement)
    assert(caller.caller_place(placement.owner) == 0)
    local count = 0
    local target = moonport.callback(NUMBER, function(number)
      count = count + 1
      if count == TRIPS then
        moonport.stop()
      end
      return number + 1
    end, { default = -1 })
    assert(caller.caller_ask(target.pointer, TRIPS, placement.asker) == 0)
    moonport.run()
    caller.caller_place(-1)
    local sample = took(caller)
    target:close()
    assert(sample, "callbacks: an answer was wrong")
    return sample
  end
end

local function trip_of_peer(contestant)
  return function(placement)
    local sample, reason = contestant.ask("ask", TRIPS, placement.asker, placement.owner)
    if sample and sample.median < 0 then
      return nil, "its caller does not get the answer"
    end
    return sample, reason
  end
end

function singles.round_trips(all, caller, latency, progress)
  local ways = { { name = "eventfds", take = trip_of_events(latency) } }
  ways[2] = { name = "moonport callback", take = trip_of_callback(caller) }
  for _, name in ipairs({ "Node-API", "koffi", "Bun" }) do
    if all[name] then
      ways[#ways + 1] = { name = name, take = trip_of_peer(all[name]) }
    end
  end
  local cases, failures = {}, {}
  for _, placement in ipairs(machine.placements()) do
    for _, way in ipairs(ways) do
      cases[#cases + 1] = { name = way.name, placement = placement, take = way.take }
    end
  end
  local able = rounds.run(cases, function(case)
    return case.take(case.placement)
  end, progress)
  for _, case in ipairs(cases) do
    if case.failed then
      local where = case.placement.name
      failures[#failures + 1] = ("%s, round trip on %s: failed (%s)"):format(case.name, where, case.failed)
    end
  end
  return able, failures
end

-- Nanoseconds, in this unit.
local function spread_row(row, case, unit)
  for _, field in ipairs({ "median", "low", "high" }) do
    row[#row + 1] = rounds.of(case, field).median / unit
  end
  return row
end

function singles.trips_table(cases)
  local rows = {}
  for at, case in ipairs(cases) do
    rows[at] = spread_row({ case.placement.name, case.name }, case, 1000)
  end
  return {
    title = "Round trip of a call that is answered, to an owner that sleeps",
    columns = { "threads on", "through", "median, µs", "a tenth, µs", "nine tenths, µs" },
    rows = rows,
    bar = 3,
    range = { 4, 5 },
  }
end

-- The price of one call on its thread, while the owner is awake.

local function price_of_callback(caller, counting)
  local handler, finish = counting(CALLS, moonport.stop)
  local target = moonport.callback(TEXT, handler)
  assert(caller.caller_time(target.pointer, CALLS) == 0)
  moonport.run()
  local sample = took(caller)
  finish()
  target:close()
  return sample
end

local function price_of_send(latency, api, counting)
  local handler, finish = counting(CALLS, moonport.stop)
  local target = assert(moonport.port({ capacity = 65536 })):on(handler)
  latency.send(api, contestants.decimal(target:handle()), CALLS, "time")
  moonport.run()
  local low, median, high = latency.finish()
  finish()
  target:close()
  return { low = low, median = median, high = high }
end

function singles.prices(all, caller, latency, counting, progress)
  local cases = {}
  local function add(name, take)
    if all[name] then
      cases[#cases + 1] = { name = name, take = take }
    end
  end
  add("moonport callback", function()
    return price_of_callback(caller, counting)
  end)
  add("moonport port", function()
    return price_of_send(latency, contestants.api_address(), counting)
  end)
  for _, name in ipairs({ "Node-API", "Bun" }) do
    add(name, function()
      return all[name].ask("time", CALLS)
    end)
  end
  return rounds.run(cases, function(case)
    return case.take()
  end, progress)
end

function singles.prices_table(cases)
  local rows = {}
  for at, case in ipairs(cases) do
    rows[at] = spread_row({ case.name }, case, 1)
  end
  return {
    title = "One call on its thread while the owner is awake",
    columns = { "contestant", "median, ns", "a tenth, ns", "nine tenths, ns" },
    rows = rows,
    bar = 2,
    range = { 3, 4 },
  }
end

return singles
