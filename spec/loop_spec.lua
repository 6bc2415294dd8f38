-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The owner's loop: run, stop, step, timers, spawn, sleep, descriptor, timeout, report.
local spec = ...
local moonport = require("moonport")
local test, equal, match, raises, handler = spec.test, spec.equal, spec.match, spec.raises, spec.handler

local function drain()
  repeat
  until moonport.step() == 0
end

test("run returns when nothing is left, and at once when nothing was there", function()
  moonport.run()
  local fired = {}
  moonport.after(0.02, handler(function()
    fired[#fired + 1] = "late"
  end))
  moonport.after(0.01, handler(function()
    fired[#fired + 1] = "early"
  end))
  moonport.run()
  equal(table.concat(fired, " "), "early late")
end)

test("an open port keeps run going until stop, an unreferenced one does not", function()
  local port = moonport.port()
  local got = 0
  port:on(handler(function()
    got = got + 1
    if got == 3 then
      moonport.stop()
    end
  end))
  for i = 1, 5 do
    port:send(i)
  end
  moonport.run()
  equal(got, 3)
  port:on(nil)
  port:unref()
  moonport.run()
  port:ref()
  moonport.after(0.001, moonport.stop)
  moonport.run()
  port:close()
end)

test("every repeats until it is cancelled", function()
  local count, timer = 0, nil
  timer = moonport.every(0.002, handler(function()
    count = count + 1
    if count == 5 then
      timer:cancel()
      timer:cancel()
    end
  end))
  moonport.run()
  equal(count, 5)
end)

test("a cancelled timer does not fire", function()
  local timer = moonport.after(0, function()
    error("fired")
  end)
  timer:cancel()
  moonport.run()
  raises("expected a number of seconds", moonport.after, "x", print)
  raises("expected a function, got nil", moonport.after, 1, nil)
  raises("interval must be above 0", moonport.every, 0, print)
end)

test("spawn runs to its first wait, and sleeping functions keep run going", function()
  local order = {}
  moonport.spawn(handler(function(a, b)
    order[#order + 1] = a .. b
    moonport.sleep(0.005)
    order[#order + 1] = "woke"
  end), "x", "y")
  order[#order + 1] = "back"
  moonport.run()
  equal(table.concat(order, " "), "xy back woke")
end)

test("a plain yield lets others go first", function()
  local order = {}
  moonport.spawn(function()
    for i = 1, 2 do
      order[#order + 1] = "a" .. i
      coroutine.yield()
    end
  end)
  moonport.spawn(function()
    order[#order + 1] = "b"
  end)
  moonport.run()
  equal(table.concat(order, " "), "a1 b a2")
end)

test("sleep outside a handler is an error", function()
  raises("only a handler or a function started by moonport.spawn", moonport.sleep, 0)
  local message
  moonport.spawn(function()
    local inner = coroutine.wrap(function()
      message = select(2, pcall(moonport.sleep, 0))
    end)
    inner()
  end)
  match(message, "only a handler")
end)

test("step delivers at most one budget", function()
  local port = moonport.port()
  port:on(function() end)
  for i = 1, 1000 do
    port:send(i)
  end
  local first = moonport.step()
  assert(first > 0 and first <= 256, first)
  while moonport.step() > 0 do
  end
  equal(port:stats().delivered, 1000)
  equal(moonport.step(0.005), 0)
  port:close()
end)

test("handlers may run the loop themselves, 16 deep", function()
  local port = moonport.port()
  local depth, deepest = 0, 0
  port:on(function(value)
    depth = depth + 1
    deepest = math.max(deepest, depth)
    if value < 40 then
      port:send(value + 1)
    end
    moonport.step()
    depth = depth - 1
  end)
  port:send(1)
  while moonport.step() > 0 do
  end
  equal(deepest, 16)
  equal(port:stats().delivered, 40)
  port:close()
end)

test("10,000 timers fire once each, in the order of their times, and none early", function()
  local COUNT, HORIZON = 10000, 50
  local now = spec.clock or function()
    return 0
  end
  local fired, last, early = 0, -1, 0
  for i = 1, COUNT do
    local seconds = i * 7919 % HORIZON / 1000
    -- It is due between the two, however long making it took.
    local from, to = now() + seconds, nil
    moonport.after(seconds, function()
      fired = fired + 1
      if spec.clock and now() < from then
        early = early + 1
      end
      assert(not spec.clock or to >= last, "order")
      last = math.max(last, from)
    end)
    to = now() + seconds
  end
  local told = 0
  moonport.on_error(function()
    told = told + 1
  end)
  moonport.run()
  moonport.on_error(nil)
  equal(fired, COUNT)
  equal(told, 0, "out of order")
  equal(early, 0, "early")
end)

test("a repeating timer keeps to its times, and fires at most once for each", function()
  local now = spec.clock
  if not now then
    return
  end
  local INTERVAL = 0.002
  local begun, count = now(), 0
  local timer
  timer = moonport.every(INTERVAL, function()
    count = count + 1
    -- A busy machine may pass over some of its times.
    assert(count <= (now() - begun) / INTERVAL, "twice for one time, or early")
    if count == 100 then
      timer:cancel()
    end
  end)
  local told = {}
  moonport.on_error(function(message)
    told[#told + 1] = message
  end)
  moonport.run()
  moonport.on_error(nil)
  equal(count, 100)
  equal(#told, 0, tostring(told[1]))
end)

test("timers that are always due leave room for messages and for functions that let others go first", function()
  local timers = {}
  local ticks, yields, got = 0, 0, 0
  for i = 1, 600 do
    timers[i] = moonport.every(1e-9, function()
      ticks = ticks + 1
    end)
  end
  local running = true
  moonport.spawn(function()
    while running do
      yields = yields + 1
      coroutine.yield()
    end
  end)
  local port = moonport.port()
  port:on(function()
    got = got + 1
  end)
  for i = 1, 500 do
    port:send(i)
  end
  for _ = 1, 20 do
    local delivered = moonport.step()
    assert(delivered <= 256, delivered)
  end
  equal(got, 500)
  assert(yields >= 15, yields)
  assert(ticks >= 1000, ticks)
  running = false
  for _, timer in ipairs(timers) do
    timer:cancel()
  end
  port:close()
  moonport.run()
end)

test("slow timers leave room for messages", function()
  local now = spec.clock or os.clock
  local function busy(milliseconds)
    local ending = now() + milliseconds / 1000
    repeat
    until now() >= ending
  end
  local timers, got, longest = {}, 0, 0
  for i = 1, 30 do
    timers[i] = moonport.every(1e-9, function()
      busy(1)
    end)
  end
  local port = moonport.port()
  port:on(function()
    busy(1)
    got = got + 1
  end)
  for i = 1, 10 do
    port:send(i)
  end
  for _ = 1, 10 do
    local begun = os.clock()
    moonport.step()
    longest = math.max(longest, os.clock() - begun)
  end
  equal(got, 10)
  -- 4 ms, and what was begun before they were over; 30 ms would be all timers. Of the processor's time: others may run.
  assert(longest < 0.02, longest)
  for _, timer in ipairs(timers) do
    timer:cancel()
  end
  port:close()
end)

test("errors and order in handlers that run loops 5 deep", function()
  local port, depth, got, told = moonport.port(), 0, {}, {}
  moonport.on_error(function(message)
    told[#told + 1] = message:match("deep %d")
  end)
  port:on(function(value)
    depth = depth + 1
    got[#got + 1] = value
    local here = depth
    if here < 5 then
      moonport.step()
    end
    depth = depth - 1
    error("deep " .. here, 0)
  end)
  for i = 1, 20 do
    port:send(i)
  end
  drain()
  moonport.on_error(nil)
  equal(#got, 20)
  for i = 1, 20 do
    equal(got[i], i)
  end
  equal(#told, 20)
  equal(told[1], "deep 5")
  equal(told[20], "deep 1")
  equal(depth, 0)
  port:close()
end)

test("timeout tells the next timer", function()
  equal(moonport.timeout(), nil)
  local timer = moonport.after(5, print)
  local left = moonport.timeout()
  assert(left > 4 and left <= 5, left)
  timer:cancel()
  equal(moonport.timeout(), nil)
end)

test("report names what is open and the line that made it", function()
  local port = moonport.port({ name = "spec report" })
  local timer = moonport.after(5, print)
  local open = moonport.report()
  equal(#open, 2)
  equal(open[1].kind, "port")
  equal(open[1].name, "spec report")
  match(open[1].created, "loop_spec.lua:%d+")
  equal(open[1].stats.sent, 0)
  equal(open[2].kind, "timer")
  timer:cancel()
  port:close()
end)

if jit then
  test("the descriptor is readable exactly while step would run something", function()
    local descriptor = moonport.descriptor()
    local function readable(milliseconds)
      return spec.readable(descriptor, milliseconds)
    end
    equal(readable(), false)
    local quiet, loud = moonport.port(), moonport.port()
    quiet:send(1)
    equal(readable(), false, "no handler")
    loud:on(function() end)
    loud:send(1)
    equal(readable(), true)
    equal(moonport.step(), 1)
    equal(readable(), false, "after step")
    for i = 1, 600 do
      loud:send(i)
    end
    moonport.step()
    equal(readable(), true, "a rest beyond the budget")
    while moonport.step() > 0 do
    end
    equal(readable(), false)
    moonport.after(0.005, function() end)
    equal(readable(), false, "not due yet")
    equal(readable(1000), true, "due")
    equal(moonport.step(), 1)
    equal(readable(), false)
    local timer = moonport.after(0.005, function() end)
    timer:cancel()
    equal(readable(20), false, "cancelled")
    quiet:on(function() end)
    equal(readable(), true, "a handler came")
    equal(moonport.step(), 1)
    quiet:close()
    loud:close()
  end)
end

test("is_owner and the version", function()
  equal(moonport.is_owner(), true)
  match(moonport._VERSION, "^Moonport %d")
end)
