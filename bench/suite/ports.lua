-- SPDX-License-Identifier: MIT OR Apache-2.0
-- C threads to a Lua handler: Moonport beside the bound that LuaJIT itself sets and beside a hand-written queue under luv;
-- the round trip to an owner that sleeps; the price of a send.

local contestants = require("contestants")
local machine = require("machine")
local moonport = require("moonport")
local rounds = require("rounds")
local statistics = require("statistics")

local SIZES = { 8, 64, 1024 }
local THREADS = { 1, 4 }
local COUNTS = { [8] = 2000000, [64] = 2000000, [1024] = 800000 }
local WARM = 200000
local TRIPS = 1000
local SENDS = 200000

local ports = {}

-- The handler of all contestants. done() is called at the last message; one more is an error.
local function counting(total, done)
  local count = 0
  return function(value)
    count = count + 1
    if count == total then
      done()
    end
  end, function()
    assert(count == total, "ports: not every message came exactly once")
  end
end

local function nothing() end

local function bound(folder)
  assert(machine.compile(folder, "bound"))
  local module = require("bound")
  return {
    name = "bound",
    single = true,
    run = function(size, count, _, making)
      local handler, check = making(count, nothing)
      local spent = machine.measure(function()
        module.run(handler, size, count)
      end)
      check()
      return spent
    end,
  }
end

-- Throughput: every contestant with every size and number of threads, in rounds, forth and back.
local function throughput(all, progress)
  local cases = {}
  for _, size in ipairs(SIZES) do
    for _, threads in ipairs(THREADS) do
      for _, contestant in ipairs(all) do
        if threads == 1 or not contestant.single then
          cases[#cases + 1] = { contestant = contestant, size = size, threads = threads }
          contestant.run(size, WARM, threads, counting)
        end
      end
    end
  end
  return rounds.run(cases, function(case)
    local count = COUNTS[case.size]
    return rounds.sample(case.contestant.run(case.size, count, case.threads, counting), count)
  end, progress)
end

local function find(cases, name, size, threads)
  for _, case in ipairs(cases) do
    if case.contestant.name == name and case.size == size and case.threads == threads then
      return case
    end
  end
end

-- The median, over the rounds, of how many times as many messages a second one contestant takes.
local function ratio(cases, name, other, size, threads)
  local one, base = find(cases, name, size, threads), find(cases, other, size, threads)
  return one and base and rounds.ratio(one, base, "rate")
end

local function throughput_table(cases)
  local rows = {}
  for _, case in ipairs(cases) do
    local what = ("%d bytes, %d thread%s"):format(case.size, case.threads, case.threads == 1 and "" or "s")
    rows[#rows + 1] = rounds.row(what, case.contestant.name, case)
  end
  return {
    title = "Strings into a Lua handler",
    columns = { "messages", "contestant", "million/s", "spread", "owner's CPU, ns", "process's CPU, ns" },
    rows = rows,
    bar = 3,
  }
end

-- Round trips: a thread on one core, the owner on the same or another.
local function round_trips(latency, api)
  local placements = machine.placements()
  for _, placement in ipairs(placements) do
    placement.bare, placement.port = {}, {}
    latency.place(placement.owner)
    for round = 1, rounds.COUNT do
      local function bare()
        local low, median, high = latency.bare(TRIPS, placement.asker)
        placement.bare[round] = { low = low, median = median, high = high }
      end
      local function through_port()
        local count = 0
        local target = assert(moonport.port())
        target:on(function()
          latency.answer()
          count = count + 1
          if count == latency.warm_up + TRIPS then
            moonport.stop()
          end
        end)
        latency.ask(api, contestants.decimal(target:handle()), TRIPS, placement.asker)
        moonport.run()
        local low, median, high = latency.finish()
        target:close()
        placement.port[round] = { low = low, median = median, high = high }
      end
      if round % 2 == 1 then
        bare()
        through_port()
      else
        through_port()
        bare()
      end
    end
    latency.place(-1)
  end
  return placements
end

local function trips_table(placements)
  local rows = {}
  local function row(placement, name, samples)
    local function median(field)
      return statistics.of(samples, function(sample)
        return sample[field]
      end).median / 1000
    end
    rows[#rows + 1] = { placement.name, name, median("median"), median("low"), median("high") }
  end
  for _, placement in ipairs(placements) do
    row(placement, "eventfds", placement.bare)
    row(placement, "moonport", placement.port)
  end
  return {
    title = "Round trip to an owner that sleeps",
    columns = { "threads on", "through", "median, µs", "a tenth, µs", "nine tenths, µs" },
    rows = rows,
    bar = 3,
    range = { 4, 5 },
  }
end

-- Sends of 64 bytes to an owner that takes them meanwhile: nanoseconds each, then the share that enters the kernel.
local function sends(latency, api)
  local function send(what)
    local handler, check = counting(SENDS, moonport.stop)
    local target = assert(moonport.port({ capacity = 65536 })):on(handler)
    latency.send(api, contestants.decimal(target:handle()), SENDS, what)
    moonport.run()
    check()
    target:close()
  end
  local timed, counted = {}, {}
  for round = 1, rounds.COUNT do
    send("time")
    local low, median, high = latency.finish()
    timed[round] = { low = low, median = median, high = high }
    send("count")
    local calls = latency.calls()
    counted[round] = calls and calls / SENDS * 100
  end
  return timed, counted
end

local function sends_table(timed, counted)
  local function median(field)
    return statistics.of(timed, function(sample)
      return sample[field]
    end).median
  end
  local share = #counted > 0 and statistics.spread(counted).median
  return {
    title = "One send of 64 bytes while the owner is awake",
    columns = { "median, ns", "a tenth, ns", "nine tenths, ns", "with a system call, %" },
    rows = { { median("median"), median("low"), median("high"), share or "not counted here" } },
  }
end

function ports.run(folder, progress)
  local found, message = machine.compile(folder, "bound")
  if not found then
    error("moonport bench ports: it compiles its C parts with cc, which fails:\n" .. message, 0)
  end
  local all, missing = { bound(folder) }, {}
  for _, other in ipairs({ { "moonport", contestants.port }, { "queue under luv", contestants.queue } }) do
    local name, make = unpack(other)
    local contestant, reason = make(folder)
    all[#all + 1] = contestant
    missing[name] = reason
  end
  local cases = throughput(all, progress)
  local result = { title = "Ports: C threads into a Lua handler", tables = { throughput_table(cases) } }
  local goals = {}
  result.goals = goals
  local function goal(fields)
    goals[#goals + 1] = fields
  end
  goal({
    what = "64 bytes, 1 thread: messages a second, times the bound",
    value = ratio(cases, "moonport", "bound", 64, 1),
    at = "least",
    limit = 0.6,
    missing = missing.moonport,
  })
  goal({
    what = "64 bytes, 1 thread: messages a second, times queue under luv",
    value = ratio(cases, "moonport", "queue under luv", 64, 1),
    at = "least",
    limit = 1.0,
    missing = missing.moonport or missing["queue under luv"],
  })
  local api = contestants.api_address()
  if not api then
    goal({ what = "round trip, times bare eventfds", at = "most", limit = 1.2, missing = missing.moonport })
    goal({ what = "one send while the owner is awake", at = "most", limit = 0.2, unit = " µs", missing = missing.moonport })
  else
    assert(machine.compile(folder, "latency"))
    local latency = require("latency")
    progress("round trips")
    local placements = round_trips(latency, api)
    table.insert(result.tables, trips_table(placements))
    for _, placement in ipairs(placements) do
      local ratios = {}
      for round, sample in ipairs(placement.port) do
        ratios[round] = sample.median / placement.bare[round].median
      end
      goal({
        what = ("round trip on %s, times bare eventfds"):format(placement.name),
        value = statistics.spread(ratios).median,
        at = "most",
        limit = 1.2,
      })
    end
    progress("sends")
    local timed, counted = sends(latency, api)
    table.insert(result.tables, sends_table(timed, counted))
    local function median(sample)
      return sample.median
    end
    goal({
      what = "one send while the owner is awake",
      value = statistics.of(timed, median).median / 1000,
      at = "most",
      limit = 0.2,
      unit = " µs",
    })
    goal({
      what = "sends that need a system call meanwhile",
      value = #counted > 0 and statistics.spread(counted).median or nil,
      at = "most",
      limit = 1,
      unit = " %",
      missing = "the kernel cannot count them for us",
    })
  end
  result.notes = {
    ("Medians of %d rounds in which the contestants take turns;"):format(rounds.COUNT)
      .. " a ratio is the median of the rounds' ratios.",
    "Every string is new. All contestants call the same handler, in the same LuaJIT. The bound has neither threads nor a queue.",
    "Senders run flat out; 65,536 messages may wait, then a sender sleeps for 0.1 ms and tries again, with both queues.",
    "queue under luv: a list under a mutex, taken as a whole in the callback of a uv_async_t. What it has taken waits no more,",
    "so it may hold twice as many as the port, which counts a message until its handler starts. A busy machine favours it.",
    "Round trips start after a pause of 0.2 ms in which everybody falls asleep; the first 500 are not measured. A send's time is",
    "without that of the clock.",
  }
  result.missing = {}
  for _, name in ipairs({ "moonport", "queue under luv" }) do
    if missing[name] then
      table.insert(result.missing, { name = name, reason = missing[name] })
    end
  end
  return result
end

return ports
