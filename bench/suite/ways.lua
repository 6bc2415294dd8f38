-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Three ways for one job: threads of C hand strings to a handler in a program that GLib's loop runs. Polling, a lock, a
-- queue; and, beside them, polling and the lock as one writes them by hand. Each in a process of its own.

local ffi = require("ffi")
local children = require("children")
local crashes = require("ways.crashes")
local machine = require("machine")
local rounds = require("rounds")
local statistics = require("statistics")

local MESSAGES = 1000
local GLIB = "libglib-2.0.so.0"
local WAYS = { "queue", "lock", "lock by hand", "polling step", "polling a ring" }

local ways = {}

local function compile(folder)
  for _, name in ipairs({ "ways", "ring", "lock" }) do
    local path, message = machine.compile(folder, name, "-l:" .. GLIB)
    if not path then
      error("moonport bench ways: it compiles its C parts with cc, which fails:\n" .. message, 0)
    end
  end
  return folder:match("^(.*)/") .. "/ways.so"
end

local function measure(case, program, folder, library)
  local suite = folder:match("^(.*)/")
  local result, reason = children.ask({
    "env",
    ("LUA_PATH=%s/?.lua;;"):format(suite),
    program,
    "run",
    folder .. "/way.lua",
    library,
    case.name,
    ("%d"):format(MESSAGES),
  })
  if result and result.absent then
    return nil, result.absent
  end
  return result, reason
end

-- A row of medians over the rounds: the way, the first field with its spread, the others; in this unit.
local function row(case, unit, first, ...)
  local spread = rounds.of(case, first)
  local line = { case.name, spread.median / unit, { spread.least / unit, spread.most / unit } }
  for _, field in ipairs({ ... }) do
    line[#line + 1] = rounds.of(case, field).median / unit
  end
  return line
end

local function rows_of(cases, ...)
  local rows = {}
  for at, case in ipairs(cases) do
    rows[at] = row(case, ...)
  end
  return rows
end

local function delay_table(cases)
  return {
    title = "From the call to the handler, in a program that sleeps",
    columns = { "way", "median, µs", "spread", "p99, µs", "its thread is held: median, µs", "p99, µs" },
    rows = rows_of(cases, 1000, "idle_took", "idle_took_high", "idle_held", "idle_held_high"),
    bar = 2,
    plot = "delay",
  }
end

local function busy_table(cases)
  return {
    title = "In a program that works for 4 of every 10 ms: how long the call holds its thread",
    columns = { "way", "p99, µs", "spread", "median, µs", "to the handler: median, µs", "p99, µs" },
    rows = rows_of(cases, 1000, "busy_held_high", "busy_held", "busy_took", "busy_took_high"),
    bar = 2,
    plot = "held",
  }
end

-- A table of a field for one thread and for four.
local function floods_table(cases, field, fields)
  local rows = {}
  for _, threads in ipairs({ 1, 4 }) do
    for _, case in ipairs(cases) do
      local line = row(case, 1, field .. threads)
      table.insert(line, 1, ("%d thread%s"):format(threads, threads == 1 and "" or "s"))
      rows[#rows + 1] = line
    end
  end
  fields.columns = { "calls by", "way", fields.unit, "spread" }
  fields.rows, fields.bar = rows, 3
  return fields
end

local function idle_table(cases)
  local rows = rows_of(cases, 1, "cpu")
  for at, case in ipairs(cases) do
    table.insert(rows[at], ("%.0f"):format(rounds.of(case, "sleeps").median))
  end
  return {
    title = "Two seconds in which nothing comes",
    columns = { "way", "CPU, % of a core", "spread", "wake-ups a second" },
    rows = rows,
    bar = 2,
    plot = "idle",
  }
end

-- How many calls had come after so long: the medians, over the rounds, of each place in the order of the delays.
local function distribution(cases)
  local series = {}
  for at, case in ipairs(cases) do
    local points = {}
    for place = 1, #case.samples[1].curve do
      local took = statistics.of(case.samples, function(sample)
        return sample.curve[place]
      end).median
      points[place] = { took / 1000, (place - 1) / (#case.samples[1].curve - 1) * 100 }
    end
    series[at] = { name = case.name, points = points }
  end
  return {
    title = "How many calls have reached the handler after so long",
    x = "µs since the call",
    y = "% of the calls",
    series = series,
    plot = "distribution",
  }
end

local function goals_of(cases, missing, died, runs)
  local named = {}
  for _, case in ipairs(cases) do
    named[case.name] = case
  end
  local goals = {}
  local function times(what, name, base, field, at, limit)
    local own, other = named[name], named[base]
    goals[#goals + 1] = {
      what = what,
      value = own and other and rounds.ratio(own, other, field),
      at = at,
      limit = limit,
      missing = missing[name] or missing[base],
    }
  end
  times("calls a second by 4 threads: the queue, times the lock", "queue", "lock", "rate4", "least", 1)
  times("median delay: polling, times the queue", "polling step", "queue", "idle_took", "least", 100)
  times("idle CPU: the queue, times polling", "queue", "polling step", "cpu", "most", 1)
  goals[#goals + 1] = {
    what = ("ffi.cast from other threads: runs of %d that die"):format(runs),
    value = died,
    at = "least",
    limit = runs / 2,
  }
  return goals
end

local NOTES = {
  ("Medians of %d rounds in which the ways take turns, each time in a new process;"):format(rounds.COUNT)
    .. " a ratio is the median of the rounds' ratios.",
  "The loop is GLib's, as under GTK and wxWidgets. queue: moonport.callback, attached. lock: the same with mode = \"locked\".",
  "lock by hand: the caller runs the handler under a mutex that the owner gives up while its loop sleeps. polling step: a timer of",
  "10 ms that calls moonport.step(), one turn of at most 256 messages. polling a ring: the timer empties a ring of C, whatever it",
  "holds. Every string has 64 bytes and is new; every handler gets it as a string of Lua and counts.",
  ("Delays: %d calls each round and way, 1 to 3 ms apart, so that no timer is in step. The threads run on any core."):format(MESSAGES),
  "Floods: threads call flat out, at most 65,536 calls ahead of the handler; what warms up is not measured. The handler does next",
  "to nothing: a lock by hand then has nobody to wait for, and no string changes cores.",
  "CPU is that of the whole process. Wake-ups: how often its other threads went to sleep again, as the kernel counts.",
}

-- Where the host is missing nothing can be measured.
local function without_glib()
  local missing = { { name = "GLib", reason = "not installed; Debian: libglib2.0-0" } }
  return { title = ways.TITLE, tables = {}, goals = {}, notes = {}, missing = missing }
end

ways.TITLE = "Three ways from a thread of C into Lua: a queue, a lock, polling"

function ways.run(folder, progress)
  if not pcall(ffi.load, GLIB) then
    return without_glib()
  end
  local library, program = compile(folder), machine.executable()
  local cases = {}
  for at, name in ipairs(WAYS) do
    cases[at] = { name = name }
  end
  local able = rounds.run(cases, function(case)
    return measure(case, program, folder, library)
  end, progress)
  local reasons, missing = {}, {}
  for _, case in ipairs(cases) do
    if case.failed then
      reasons[case.name] = case.failed
      missing[#missing + 1] = { name = case.name, reason = case.failed }
    end
  end
  local crashed, died, runs = crashes.count(program, folder, library, progress)
  return {
    title = ways.TITLE,
    charts = { distribution(able) },
    tables = {
      delay_table(able),
      busy_table(able),
      floods_table(able, "rate", { title = "Calls, flat out", unit = "million/s", plot = "throughput", linear = true }),
      floods_table(able, "process", { title = "CPU of one call, flat out", unit = "CPU, ns", plot = "cpu", linear = true }),
      idle_table(able),
      crashed,
    },
    goals = goals_of(able, reasons, died, runs),
    notes = NOTES,
    missing = missing,
  }
end

return ways
