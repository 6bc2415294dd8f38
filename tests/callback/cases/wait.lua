-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Native callers that wait: for handlers that wait themselves, too long, and for a callback that is closed meanwhile.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local function asked(handler, options)
  options.default = options.default or -1
  return require("moonport").callback("int (*)(int)", handler, options)
end

case.test("wait_for_a_void_handler", function()
  local native = case.native()
  local ran = 0
  local callback = require("moonport").callback("void (*)(int *cell @opaque)", function(cell)
    ran = ran + 1
    require("moonport").sleep(0.01)
    native.write_int(cell, native.int_at(cell) + 1)
  end, { wait = true })
  for i = 1, 5 do
    case.gives({ i + 1 }, case.there("void (int *)", callback.pointer, i))
  end
  case.equal(ran, 5)
  case.counts(callback, { calls = 5, delivered = 5 })
end)

case.test("wait_for_a_void_handler_on_the_owners_thread", function()
  local native = case.native()
  local callback = require("moonport").callback("void (*)(int *cell @opaque)", function(cell)
    native.write_int(cell, 42)
  end, { wait = true })
  case.gives({ 42 }, case.here("void (int *)", callback.pointer, 1))
end)

case.test("wait_until_the_timeout_gives_the_default", function()
  local ran = 0
  local callback = asked(function()
    ran = ran + 1
  end, { timeout = 0.3 })
  for i = 1, 3 do
    case.gives({ -1 }, case.native().start("int (int)", callback.pointer, i):join())
  end
  case.equal(callback:stats().timeouts, 3)
  -- A call whose caller has given up is not handled any more.
  case.drain()
  case.equal(ran, 0)
  case.equal(case.there("int (int)", callback.pointer, 1), -1)
  case.equal(ran, 1)
  case.told("result")
end)

case.test("wait_void_until_the_timeout", function()
  local callback, got = case.recorded("void (*)(int)", { wait = true, timeout = 0.3 })
  case.native().start("void (int)", callback.pointer, 1):join()
  case.equal(callback:stats().timeouts, 1)
  case.there("void (int)", callback.pointer, 2)
  case.drain()
  case.arrived(got, { 2 })
end)

case.test("wait_a_late_handler_writes_nothing", function()
  local moonport, native = require("moonport"), case.native()
  local finished = 0
  local callback = moonport.callback("int (*)(int *cell @out)", function()
    moonport.sleep(1)
    finished = finished + 1
    return 5, 99
  end, { default = -1, timeout = 0.5 })
  local thread = native.start("late", callback.pointer)
  case.step_until(function()
    return finished == 1
  end)
  native.open_gate()
  case.gives({ -1, 1, 7 }, case.await(thread))
  case.counts(callback, { calls = 1, delivered = 1, timeouts = 1 })
end)

case.test("wait_a_late_handler_that_raises_is_told", function()
  local moonport = require("moonport")
  local callback = asked(function()
    moonport.sleep(1)
    error("late", 0)
  end, { timeout = 0.5 })
  local thread = case.native().start("int (int)", callback.pointer, 1)
  case.equal(case.await(thread), -1)
  case.step_until(function()
    return #case.reports > 0
  end)
  case.match(case.told("handler")[1], "late")
end)

case.test("wait_without_a_timeout", function()
  local callback = asked(function(x)
    require("moonport").sleep(0.2)
    return x
  end, { timeout = false })
  case.gives({ 8 }, case.there("int (int)", callback.pointer, 8))
  case.counts(callback, { calls = 1, delivered = 1 })
end)

case.test("wait_for_a_handler_that_sleeps_while_others_are_served", function()
  local moonport = require("moonport")
  local ended = {}
  local slow = asked(function(x)
    while not ended.quick do
      moonport.sleep(0.001)
    end
    ended.slow = true
    return x * 2
  end, { timeout = 60 })
  local quick = asked(function(x)
    return x * 3
  end, { timeout = 60 })
  local first = case.native().start("int (int)", slow.pointer, 5)
  case.step_until(function()
    return slow:stats().delivered == 1
  end)
  case.gives({ 15 }, case.there("int (int)", quick.pointer, 5))
  case.equal(ended.slow, nil)
  case.equal(first:is_done(), false)
  ended.quick = true
  case.gives({ 10 }, case.await(first))
end)

case.test("wait_for_a_handler_that_receives_from_a_port", function()
  local moonport = require("moonport")
  local port = moonport.port()
  local callback = asked(function(x)
    local ok, value = port:receive(60)
    assert(ok, value)
    return x + value
  end, { timeout = 60 })
  local thread = case.native().start("int (int)", callback.pointer, 5)
  case.step_until(function()
    return callback:stats().delivered == 1
  end)
  case.equal(thread:is_done(), false)
  port:send(100)
  case.gives({ 105 }, case.await(thread))
end)

case.test("wait_of_twenty_sleeping_handlers_at_once", function()
  local moonport = require("moonport")
  local together, most = 0, 0
  local callback = asked(function(x)
    together = together + 1
    most = math.max(most, together)
    while most < 20 do
      moonport.sleep(0.001)
    end
    together = together - 1
    return x * x
  end, { timeout = 60 })
  local threads = {}
  for i = 1, 20 do
    threads[i] = case.native().start("int (int)", callback.pointer, i)
  end
  for i = 1, 20 do
    case.gives({ i * i }, case.await(threads[i]))
  end
  case.equal(most, 20)
end)

case.test("wait_served_by_a_receive_outside_of_handlers", function()
  local moonport = require("moonport")
  local callback = asked(function(x)
    return x + 41
  end, { timeout = 60 })
  local port = moonport.port()
  local thread =
    case.native().start("asks and sends", callback.pointer, moonport.api, port:handle())
  local ok, bytes = port:receive(15)
  case.gives({ true, 42 }, ok, bytes:byte(1))
  case.gives({ 42 }, thread:join())
end)

case.test("wait_served_by_moonport_run", function()
  local moonport = require("moonport")
  local callback = asked(function(x)
    return x + 41
  end, { timeout = 60 })
  local port = moonport.port()
  local got = {}
  port:on(function(bytes)
    got[#got + 1] = bytes:byte(1)
    moonport.stop()
  end)
  local thread =
    case.native().start("asks and sends", callback.pointer, moonport.api, port:handle())
  moonport.run()
  case.gives({ 42, 42 }, got[1], thread:join())
end)

case.test("wait_ends_at_close", function()
  local ran = 0
  local callback = asked(function()
    ran = ran + 1
  end, { timeout = 600, name = "closed" })
  local threads = {}
  for i = 1, 4 do
    threads[i] = case.native().start("int (int)", callback.pointer, i)
  end
  case.until_waiting("closed", 4)
  callback:close()
  for i = 1, 4 do
    case.gives({ -1 }, threads[i]:join())
  end
  case.drain()
  case.equal(ran, 0)
  local stats = callback:stats()
  case.gives({ 4, 0, 4, 0 }, stats.calls, stats.delivered, stats.dropped, stats.timeouts)
end)

case.test("wait_ends_at_shutdown", function()
  local moonport = require("moonport")
  local callback = asked(function() end, { timeout = 600, name = "shut" })
  local thread = case.native().start("int (int)", callback.pointer, 1)
  case.until_waiting("shut", 1)
  moonport.shutdown(1)
  case.gives({ -1 }, thread:join())
  case.gives({ -1 }, case.here("int (int)", callback.pointer, 1))
end)

case.test("wait_of_a_running_handler_ends_after_close", function()
  local moonport = require("moonport")
  local go_on = false
  local callback = asked(function(x)
    while not go_on do
      moonport.sleep(0.001)
    end
    return x
  end, { timeout = 600 })
  local thread = case.native().start("int (int)", callback.pointer, 5)
  case.step_until(function()
    return callback:stats().delivered == 1
  end)
  callback:close()
  go_on = true
  -- The handler's answer and the default are both right; it must be one of them, and soon.
  local answer = case.await(thread)
  assert(answer == 5 or answer == -1, answer)
end)

case.test("wait_close_with_drain_answers_first", function()
  local callback = asked(function(x)
    return x + 1
  end, { timeout = 600, name = "drained" })
  local threads = {}
  for i = 1, 4 do
    threads[i] = case.native().start("int (int)", callback.pointer, i)
  end
  case.until_waiting("drained", 4)
  callback:close({ drain = true })
  for i = 1, 4 do
    case.gives({ i + 1 }, threads[i]:join())
  end
  case.gives({ -1 }, case.native().start("int (int)", callback.pointer, 9):join())
  case.counts(callback, { calls = 5, delivered = 4, after_close = 1 })
end)

case.test("wait_void_close_with_drain_delivers_before_it_returns", function()
  local callback, got = case.recorded("void (*)(int thread, int number)")
  case.native().start("sequence", callback.pointer, 1, 1000):join()
  callback:close({ drain = true })
  case.equal(#got, 1000)
  case.equal(got[1000][2], 1000)
  case.counts(callback, { calls = 1000, delivered = 1000 })
end)

case.test("wait_void_close_discards_what_is_queued", function()
  local callback, got = case.recorded("void (*)(int thread, int number)")
  case.native().start("sequence", callback.pointer, 1, 1000):join()
  callback:close()
  callback:close()
  case.drain()
  case.equal(#got, 0)
  case.counts(callback, { calls = 1000, dropped = 1000 })
end)

case.test("wait_close_inside_the_own_handler", function()
  local callback
  local got = {}
  callback = require("moonport").callback("void (*)(int thread, int number)", function(_, number)
    got[#got + 1] = number
    if number == 3 then
      callback:close()
      callback:close({ drain = true })
    end
  end)
  case.native().start("sequence", callback.pointer, 1, 10):join()
  case.drain()
  case.equal(table.concat(got, " "), "1 2 3")
  case.counts(callback, { calls = 10, delivered = 3, dropped = 7 })
  local ask
  ask = asked(function(x)
    ask:close()
    return x
  end, { timeout = 600 })
  local answer = case.there("int (int)", ask.pointer, 5)
  assert(answer == 5 or answer == -1, answer)
  case.gives({ -1 }, case.there("int (int)", ask.pointer, 5))
end)

case.test("wait_set_while_calls_are_queued", function()
  local callback, got = case.recorded("void (*)(int thread, int number)")
  local others = {}
  case.native().start("sequence", callback.pointer, 1, 5):join()
  callback:set(function(_, number)
    others[#others + 1] = number
    if number == 3 then
      callback:set(function(_, later)
        others[#others + 1] = -later
      end)
    end
  end)
  case.drain()
  case.equal(#got, 0)
  case.equal(table.concat(others, " "), "1 2 3 -4 -5")
  case.raises("expected a function", callback.set, callback, nil)
  callback:close()
  case.raises("closed", callback.set, callback, print)
end)

case.test("wait_discarded_by_a_newer_call_is_the_default", function()
  local ran = 0
  local callback = asked(function(x)
    ran = ran + 1
    return x + 1
  end, { timeout = 600, capacity = 1, overflow = "drop_old", name = "newest" })
  local older = case.native().start("int (int)", callback.pointer, 1)
  case.until_waiting("newest", 1)
  local newer = case.native().start("int (int)", callback.pointer, 2)
  case.gives({ -1 }, older:join())
  case.gives({ 3 }, case.await(newer))
  case.equal(ran, 1)
  local stats = callback:stats()
  case.gives({ 2, 1, 1 }, stats.calls, stats.delivered, stats.dropped)
  case.drain()
  case.reports = {}
end)

case.test("wait_for_room_and_then_for_the_answer", function()
  local callback = asked(function(x)
    return x + 1
  end, { timeout = 600, capacity = 1, overflow = "block" })
  local threads = {}
  for i = 1, 8 do
    threads[i] = case.native().start("asks", callback.pointer, 100)
  end
  for i = 1, 8 do
    case.gives({ 100, 0, 0 }, case.await(threads[i]))
  end
  case.counts(callback, { calls = 800, delivered = 800 })
end)

case.test("wait_for_room_until_the_timeout", function()
  local callback = asked(function(x)
    return x + 1
  end, { timeout = 0.05, capacity = 1, overflow = "block" })
  local threads = {}
  for i = 1, 3 do
    threads[i] = case.native().start("int (int)", callback.pointer, i)
  end
  for i = 1, 3 do
    case.gives({ -1 }, threads[i]:join())
  end
  case.equal(callback:stats().timeouts, 3)
end)

case.test("wait_where_there_is_no_room_is_the_default", function()
  local callback = asked(function(x)
    return x + 1
  end, { timeout = 600, capacity = 2, name = "full" })
  local first = case.native().start("int (int)", callback.pointer, 1)
  local second = case.native().start("int (int)", callback.pointer, 2)
  case.until_waiting("full", 2)
  -- At once: nobody serves.
  case.gives({ -1 }, case.native().start("int (int)", callback.pointer, 3):join())
  case.gives({ 2 }, case.await(first))
  case.gives({ 3 }, case.await(second))
  local stats = callback:stats()
  case.gives({ 3, 2, 1 }, stats.calls, stats.delivered, stats.dropped)
  case.reports = {}
end)

case.main()
