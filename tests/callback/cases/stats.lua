-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The counts of a callback are exact, and the report shows it. Delivered is what its handler was called for.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local PAIR = "void (*)(int thread, int number)"

local function asked(handler, options)
  options.default = -1
  return require("moonport").callback("int (*)(int)", handler, options)
end

case.test("stats_of_void_calls_add_up", function()
  local callback, got = case.recorded(PAIR, { capacity = 100 })
  local native = case.native()
  native.start("sequence", callback.pointer, 1, 130):join()
  case.drain()
  case.here("sequence", callback.pointer, 1, 50)
  case.drain()
  native.start("sequence", callback.pointer, 1, 20):join()
  callback:close()
  native.start("sequence", callback.pointer, 1, 7):join()
  case.here("sequence", callback.pointer, 1, 3)
  case.equal(#got, 150)
  -- 30 for which there was no room, 20 discarded at close.
  case.counts(callback, { calls = 210, delivered = 150, dropped = 50, after_close = 10 })
  case.reports = {}
end)

case.test("stats_of_four_threads_are_exact", function()
  local callback, got = case.recorded(PAIR, { capacity = 500 })
  local threads = {}
  for i = 1, 4 do
    threads[i] = case.native().start("sequence", callback.pointer, i, 5000)
  end
  for i = 1, 4 do
    case.await(threads[i])
  end
  case.drain()
  local stats = callback:stats()
  case.equal(stats.calls, 20000)
  case.equal(stats.delivered, #got)
  case.equal(stats.dropped, 20000 - #got)
  case.gives({ 0, 0, 0 }, stats.errors, stats.timeouts, stats.after_close)
  case.reports = {}
end)

case.test("stats_count_errors", function()
  local callback = require("moonport").callback(PAIR, function(_, number)
    if number % 3 == 0 then
      error("third", 0)
    end
  end)
  case.there("sequence", callback.pointer, 1, 10)
  case.drain()
  case.counts(callback, { calls = 10, delivered = 10, errors = 3 })
  case.told("handler * 3")
end)

case.test("stats_delivered_counts_calls_on_the_owners_thread", function()
  local callback = asked(function(x)
    return x
  end, {})
  for i = 1, 5 do
    case.gives({ i }, case.here("int (int)", callback.pointer, i))
    case.gives({ i }, case.there("int (int)", callback.pointer, i))
  end
  case.counts(callback, { calls = 10, delivered = 10 })
end)

case.test("stats_delivered_counts_no_refused_arguments", function()
  local callback, got = case.recorded("void (*)(const char *data, size_t size)")
  for _ = 1, 5 do
    case.there("void (const char *, size_t)", callback.pointer, nil, 1)
    case.there("void (const char *, size_t)", callback.pointer, "x", 1)
  end
  case.drain()
  case.told("argument * 5")
  case.equal(#got, 5)
  local stats = callback:stats()
  case.gives({ 10, 5 }, stats.calls, stats.delivered)
end)

case.test("stats_delivered_counts_no_call_that_was_given_up", function()
  local ran = 0
  local callback = asked(function(x)
    ran = ran + 1
    return x
  end, { timeout = 0.02 })
  for i = 1, 3 do
    case.gives({ -1 }, case.native().start("int (int)", callback.pointer, i):join())
  end
  case.drain()
  local stats = callback:stats()
  case.equal(ran, 0)
  case.gives({ 3, 0, 3 }, stats.calls, stats.delivered, stats.timeouts)
end)

case.test("stats_of_a_call_that_waits_at_close", function()
  local callback = asked(function(x)
    return x
  end, { timeout = 600, name = "closed" })
  local thread = case.native().start("int (int)", callback.pointer, 1)
  case.until_waiting("closed", 1)
  callback:close()
  case.gives({ -1 }, thread:join())
  -- It came before the close, and was discarded by it.
  case.counts(callback, { calls = 1, dropped = 1 })
end)

case.test("stats_of_a_blocked_call_that_ends_by_timeout", function()
  local callback, got = case.recorded(PAIR, { capacity = 2, overflow = "block", timeout = 0.02 })
  case.native().start("sequence", callback.pointer, 1, 3):join()
  case.drain()
  case.equal(#got, 2)
  -- Each call has one fate.
  case.counts(callback, { calls = 3, delivered = 2, timeouts = 1 })
end)

case.test("stats_work_after_close", function()
  local callback = case.recorded(PAIR)
  case.there("sequence", callback.pointer, 1, 3)
  case.drain()
  callback:close()
  collectgarbage()
  local other = case.recorded(PAIR)
  case.there("sequence", other.pointer, 1, 5)
  case.drain()
  case.counts(callback, { calls = 3, delivered = 3 })
  case.counts(other, { calls = 5, delivered = 5 })
end)

case.test("stats_in_the_report", function()
  local moonport = require("moonport")
  local first = moonport.callback(PAIR, function() end, { name = "first" })
  local port = moonport.port({ name = "between" })
  local second = moonport.callback("int (*)(int)", print, { default = 1 })
  case.here("sequence", first.pointer, 1, 3)
  local entries = moonport.report()
  case.equal(#entries, 3)
  case.gives({ "callback", "port", "callback" }, entries[1].kind, entries[2].kind, entries[3].kind)
  case.gives({ "first", "between" }, entries[1].name, entries[2].name)
  case.match(entries[1].created, "stats%.lua:%d+")
  case.equal(entries[1].stats.waiting, 3)
  case.drain()
  case.equal(moonport.report()[1].stats.delivered, 3)
  first:close()
  port:close()
  case.equal(#moonport.report(), 1)
  second:close()
  case.equal(#moonport.report(), 0)
end)

case.main()
