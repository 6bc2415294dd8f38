-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Streams: thousands of messages without a pause, which LuaJIT handles in compiled loops. Whatever interrupts such a loop,
-- each message arrives once, whole and in order. Other Luas run the same.
local spec = ...
local moonport = require("moonport")
local test, equal, raises = spec.test, spec.equal, spec.raises
local compiles = type(jit) == "table" and jit.status()
local COUNT, HALF = 6000, 3000

-- Delivers all that waits. Handlers here are no spec.handler: a full collection for each of thousands takes minutes.
local function drain()
  repeat
  until moonport.step() == 0
end

local function send_all(port)
  for i = 1, COUNT do
    assert(port:send("text " .. i))
  end
end

-- A port whose handler checks that text after text comes in order, and calls each(number) first.
local function counting(each, options)
  local port, count = moonport.port(options), 0
  local function handle(text)
    count = count + 1
    if each then
      each(count, text)
    end
    if text ~= "text " .. count then
      error(("expected text %d, got %s"):format(count, text))
    end
  end
  port:on(handle)
  return port, function()
    return count
  end, handle
end

local failures
local function watch_errors()
  failures = {}
  moonport.on_error(function(message)
    failures[#failures + 1] = message
  end)
end

local function equal_failures(count)
  moonport.on_error(nil)
  equal(#failures, count, "errors, the first of them " .. tostring(failures[1]))
end

test("a stream is handled by the loop that is made for it, once and in order", function()
  local source
  watch_errors()
  local port, count = counting(function(i)
    if i == COUNT - 10 then
      source = debug.getinfo(3, "S").short_src
    end
  end, { capacity = COUNT })
  send_all(port)
  drain()
  equal_failures(0)
  equal(count(), COUNT)
  equal(port:stats().delivered, COUNT)
  equal(source, compiles and "(moonport: stream)" or "(moonport)")
  port:close()
end)

test("a stream of long strings arrives whole", function()
  local port, sizes = moonport.port({ capacity = COUNT, capacity_bytes = 64 * 2 ^ 20 }), 0
  local last = 0
  port:on(function(text)
    local number = tonumber(text:match("^%d+"))
    assert(number == last + 1 and text:sub(-1) == "x", "order")
    last = number
    sizes = sizes + #text
  end)
  local sent = 0
  for i = 1, COUNT do
    local text = i .. (" "):rep(i) .. "x"
    sent = sent + #text
    assert(port:send(text))
  end
  drain()
  equal(last, COUNT)
  equal(sizes, sent)
  port:close()
end)

test("other values amid a stream of strings", function()
  local port, got = moonport.port({ capacity = COUNT }), {}
  port:on(function(value)
    got[#got + 1] = value
  end)
  local values = { 7, true, { 1 }, "", "text" }
  for i = 1, COUNT do
    assert(port:send(i % 100 == 0 and values[i / 100 % #values + 1] or "text " .. i))
  end
  drain()
  equal(#got, COUNT)
  for i = 1, COUNT do
    local wanted = i % 100 == 0 and values[i / 100 % #values + 1] or "text " .. i
    equal(type(got[i]), type(wanted))
    if type(wanted) ~= "table" then
      equal(got[i], wanted)
    end
  end
  port:close()
end)

test("two ports in turns, and one inside the other's stream", function()
  watch_errors()
  local one, ones = counting(nil, { capacity = COUNT })
  local other, others = counting(nil, { capacity = COUNT })
  for i = 1, HALF do
    assert(one:send("text " .. i))
    assert(other:send("text " .. i))
  end
  for i = HALF + 1, COUNT do
    assert(one:send("text " .. i))
    if i % 1000 == 0 then
      assert(other:send(("text %d"):format(HALF + (i - HALF) / 1000)))
    end
  end
  drain()
  equal_failures(0)
  equal(ones(), COUNT)
  equal(others(), HALF + HALF / 1000)
  one:close()
  other:close()
end)

test("a handler that is replaced amid its stream gets nothing more", function()
  local port, first, second = moonport.port({ capacity = COUNT }), 0, 0
  port:on(function()
    first = first + 1
    if first == HALF then
      port:on(function(text)
        second = second + 1
        assert(text == "text " .. first + second)
      end)
    end
  end)
  send_all(port)
  drain()
  equal(first, HALF)
  equal(second, HALF)
  port:close()
end)

test("a stream ends where its port loses the handler, and goes on where it gets it back", function()
  local port, count, handle
  port, count, handle = counting(function(i)
    if i == HALF then
      port:on(nil)
    end
  end, { capacity = COUNT })
  send_all(port)
  drain()
  equal(count(), HALF)
  port:on(handle)
  drain()
  equal(count(), COUNT)
  port:close()
end)

test("a stream ends where its port is closed", function()
  local port, count
  port, count = counting(function(i)
    if i == HALF then
      port:close()
    end
  end, { capacity = COUNT })
  send_all(port)
  drain()
  equal(count(), HALF)
end)

test("handlers that fail or wait amid a stream disturb nobody else", function()
  watch_errors()
  local port, got = moonport.port({ capacity = COUNT }), {}
  port:on(function(text)
    local number = tonumber(text)
    if number % 1000 == 500 then
      error("at " .. text, 0)
    elseif number % 1000 == 700 then
      moonport.sleep(0.001)
    end
    got[#got + 1] = number
  end)
  for i = 1, COUNT do
    assert(port:send(tostring(i)))
  end
  while #got < COUNT - COUNT / 1000 do
    moonport.step(1)
  end
  moonport.on_error(nil)
  equal(#failures, COUNT / 1000)
  spec.match(failures[1], "at 500")
  local last = 0
  for _, number in ipairs(got) do
    if number % 1000 ~= 700 then
      assert(number > last, "order")
      last = number
    end
  end
  port:close()
end)

test("a handler that runs a loop of its own amid its stream", function()
  watch_errors()
  local inner = 0
  local port, count = counting(function(i)
    if i == HALF then
      inner = moonport.step()
    end
  end, { capacity = COUNT })
  send_all(port)
  drain()
  assert(inner > 0, "the inner loop delivered nothing")
  equal(count(), COUNT)
  -- The message in whose handler the inner loop ran was counted before those of that loop.
  equal_failures(1)
  port:close()
end)

test("a handler that takes messages from its own stream", function()
  watch_errors()
  local port, taken
  local expected = 0
  port = moonport.port({ capacity = COUNT })
  port:on(function(text)
    expected = expected + 1
    assert(text == "text " .. expected)
    if expected == HALF then
      local ok
      ok, taken = port:receive()
      assert(ok)
      expected = expected + 1
    end
  end)
  send_all(port)
  drain()
  equal_failures(0)
  equal(taken, "text " .. HALF + 1)
  equal(expected, COUNT)
  port:close()
end)

test("a stream while LuaJIT compiles nothing", function()
  if not compiles then
    return
  end
  watch_errors()
  local port, count = counting(nil, { capacity = 4 * COUNT })
  local function send(first, last)
    for i = first, last do
      assert(port:send("text " .. i))
    end
    drain()
  end
  send(1, COUNT)
  jit.off()
  jit.flush()
  local sent = pcall(send, COUNT + 1, 2 * COUNT)
  jit.on()
  assert(sent)
  send(2 * COUNT + 1, 3 * COUNT)
  moonport.call(send, 3 * COUNT + 1, 4 * COUNT)
  equal_failures(0)
  equal(count(), 4 * COUNT)
  port:close()
end)

test("a stream of native calls with all kinds of arguments", function()
  if type(jit) ~= "table" then
    return
  end
  local ffi = require("ffi")
  local count, nothing, large, huge = 0, 0, 0, ffi.new("int64_t", 2 ^ 60)
  watch_errors()
  local callback = moonport.callback(
    "void (*)(const char *text, double number, int64_t whole, uint8_t small)",
    function(text, number, whole, small)
      count = count + 1
      if text == nil then
        nothing = nothing + 1
      elseif text ~= "text " .. count then
        error(("expected text %d, got %s"):format(count, text))
      end
      assert(number == count / 2 and small == count % 256)
      if type(whole) == "cdata" then
        large = large + 1
        assert(whole == huge)
      else
        assert(whole == -count)
      end
    end,
    { capacity = COUNT }
  )
  local pointer = ffi.cast("void (*)(const char *, double, int64_t, uint8_t)", callback.pointer)
  for i = 1, COUNT do
    local text = i % 1000 ~= 0 and "text " .. i or nil
    pointer(text, i / 2, i % 1000 == 1 and huge or -i, i % 256)
  end
  drain()
  equal_failures(0)
  equal(count, COUNT)
  equal(nothing, COUNT / 1000)
  equal(large, COUNT / 1000)
  callback:close()
end)

test("streams of native calls without and with one argument, and another handler amid them", function()
  if type(jit) ~= "table" then
    return
  end
  local ffi = require("ffi")
  local calls, sum, second = 0, 0, 0
  local bare = moonport.callback("void (*)(void)", function()
    calls = calls + 1
  end, { capacity = COUNT })
  local one
  one = moonport.callback("void (*)(int number)", function(number)
    sum = sum + number
    if number == HALF then
      one:set(function(other)
        second = second + other
      end)
    end
  end, { capacity = COUNT })
  local call, pass = ffi.cast("void (*)(void)", bare.pointer), ffi.cast("void (*)(int)", one.pointer)
  for i = 1, COUNT do
    call()
    pass(i)
  end
  drain()
  for _ = 1, COUNT do
    call()
  end
  drain()
  equal(calls, 2 * COUNT)
  equal(sum, HALF * (HALF + 1) / 2)
  equal(sum + second, COUNT * (COUNT + 1) / 2)
  bare:close()
  one:close()
  raises("closed", one.set, one, print)
end)
