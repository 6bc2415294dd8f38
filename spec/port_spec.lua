-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Ports: send, on, receive, stats, close, limits, values that cross, errors of handlers.
local spec = ...
local moonport = require("moonport")
local test, equal, match, raises, handler = spec.test, spec.equal, spec.match, spec.raises, spec.handler

local function drain()
  while moonport.step() > 0 do
  end
end

test("a handler gets every message in order, with rising sequence numbers and the tag", function()
  local port = moonport.port()
  local got, last = {}, 0
  equal(port:on(handler(function(value, message)
    assert(message.sequence > last)
    last = message.sequence
    equal(message.tag, value % 7)
    got[#got + 1] = value
  end)), port)
  for i = 1, 1000 do
    equal(port:send(i, { tag = i % 7 }), true)
  end
  drain()
  equal(#got, 1000)
  for i = 1, 1000 do
    equal(got[i], i)
  end
  port:close()
end)

test("messages that wait are delivered when a handler comes, in their places", function()
  local quiet, loud = moonport.port(), moonport.port()
  local got = {}
  quiet:send("a")
  loud:send("b")
  quiet:send("c")
  equal(moonport.step(), 0)
  equal(quiet:stats().waiting, 2)
  local function collect(value)
    got[#got + 1] = value
  end
  loud:on(collect)
  quiet:on(collect)
  drain()
  equal(table.concat(got), "abc")
  quiet:close()
  loud:close()
end)

test("values cross with their types", function()
  local port = moonport.port()
  local sent = {
    text = "a\0b\255", yes = true, no = false, number = 1.5, big = 2 ^ 60, null = moonport.null,
    list = { 1, 2, { 3 } }, [7] = "seven", [1.5] = "half", empty = {}, marked = moonport.array({}),
  }
  port:send(sent)
  local ok, value = port:receive()
  equal(ok, true)
  equal(value.text, "a\0b\255")
  equal(value.yes, true)
  equal(value.no, false)
  equal(value.number, 1.5)
  equal(value.big, 2 ^ 60)
  equal(value.null, moonport.null)
  equal(value.list[3][1], 3)
  equal(value[7], "seven")
  equal(value[1.5], "half")
  equal(next(value.empty), nil)
  equal(moonport.json.encode(value.marked), "[]")
  assert(value ~= sent)
  for _, plain in ipairs({ true, false, 0, -1.25, "", "text" }) do
    port:send(plain)
    local _, got = port:receive()
    equal(got, plain)
  end
  port:send(nil)
  equal(select("#", port:receive()), 2)
  port:close()
end)

if jit then
  test("64-bit integers cross exactly under LuaJIT", function()
    local ffi = require("ffi")
    local port = moonport.port()
    for _, value in ipairs({ ffi.new("int64_t", -5), ffi.new("uint64_t", -1), ffi.new("int64_t", 3) }) do
      port:send({ value = value })
      local _, got = port:receive()
      assert(ffi.istype(ffi.typeof(value), got.value))
      equal(got.value, value)
    end
    equal(type(port:handle()), "cdata")
    raises("value.x: a cdata cannot cross threads", port.send, port, { x = ffi.new("int[1]") })
    port:close()
  end)
elseif math.type then
  test("integers and floats stay apart", function()
    local port = moonport.port()
    for _, value in ipairs({ math.maxinteger, math.mininteger, 3, 3.0 }) do
      port:send(value)
      local _, got = port:receive()
      equal(math.type(got), math.type(value))
      equal(got, value)
    end
    port:close()
  end)
end

test("what cannot cross is named with its path", function()
  local port = moonport.port()
  raises("value%.items%[3%]%.draw: a function cannot cross threads", port.send, port, {
    items = { 1, 2, { draw = print } },
  })
  raises("value: a thread cannot cross threads", port.send, port, coroutine.create(function() end))
  raises("value%[\"a b\"%]: a userdata cannot cross", port.send, port, { ["a b"] = io.stdout })
  local cycle = {}
  cycle.inner = { cycle }
  raises("value%.inner%[1%]: a table that contains itself", port.send, port, cycle)
  local deep = {}
  for _ = 1, 200 do
    deep = { deep }
  end
  raises("nested deeper than 128", port.send, port, deep)
  equal(port:stats().sent, 0)
  port:close()
end)

test("capacity and capacity_bytes refuse with names", function()
  local port = moonport.port({ capacity = 2, capacity_bytes = 10 })
  equal(port:send("12345"), true)
  local ok, message, name = port:send("123456")
  equal(ok, nil)
  match(message, "full")
  equal(name, "full")
  equal(port:send("12345"), true)
  equal(select(3, port:send("")), "full")
  equal(select(3, port:send("12345678901")), "too_big")
  local stats = port:stats()
  equal(stats.sent, 2)
  equal(stats.refused, 3)
  equal(stats.waiting, 2)
  equal(stats.waiting_bytes, 10)
  equal(stats.high_water, 2)
  port:close()
end)

test("close discards, refuses, is idempotent and frees the name", function()
  local port = moonport.port({ name = "spec harbour" })
  local other, message, name = moonport.port({ name = "spec harbour" })
  equal(other, nil)
  match(message, "spec harbour")
  equal(name, "exists")
  port:send(1)
  port:close()
  port:close()
  equal(select(3, port:send(2)), "closed")
  equal(select(3, port:receive()), "closed")
  raises("closed", port.on, port, print)
  local stats = port:stats()
  equal(stats.dropped, 1)
  equal(stats.after_close, 1)
  equal(stats.waiting, 0)
  moonport.port({ name = "spec harbour" }):close()
end)

test("close with drain delivers what waits", function()
  local port = moonport.port()
  local got = 0
  port:on(handler(function()
    got = got + 1
  end))
  for i = 1, 600 do
    port:send(i)
  end
  port:close({ drain = true })
  equal(got, 600)
  equal(port:stats().dropped, 0)
end)

test("close in its own handler stops delivery", function()
  local port = moonport.port()
  local got = 0
  port:on(handler(function()
    got = got + 1
    port:close()
  end))
  for i = 1, 5 do
    port:send(i)
  end
  drain()
  equal(got, 1)
  equal(port:stats().dropped, 4)
end)

test("a handler that errors is reported, and the next message arrives", function()
  local port = moonport.port({ name = "spec errors" })
  local reports, got = {}, 0
  moonport.on_error(function(message, info)
    reports[#reports + 1] = { message = message, info = info }
  end)
  port:on(handler(function(value)
    if value == 1 then
      error("broken")
    elseif value == 2 then
      error({ code = 7 })
    elseif value == 3 then
      error()
    elseif value == 4 then
      local function forever()
        return 1 + forever()
      end
      forever()
    end
    got = got + 1
  end))
  for i = 1, 5 do
    port:send(i)
  end
  drain()
  equal(got, 1)
  equal(#reports, 4)
  match(reports[1].message, "port_spec.lua:%d+: broken")
  equal(reports[1].info.kind, "handler")
  equal(reports[1].info.name, "spec errors")
  match(reports[1].info.traceback, "stack traceback")
  match(reports[2].message, "table")
  match(reports[3].message, _VERSION == "Lua 5.5" and "no error object" or "nil")
  match(reports[4].message, "stack overflow")
  port:close()
end)

test("an error inside on_error's handler does no harm", function()
  local port = moonport.port()
  moonport.on_error(function()
    error("(this line belongs to a spec)", 0)
  end)
  port:on(function()
    error("(so does this)", 0)
  end)
  port:send(1)
  equal(moonport.step(), 1)
  port:close()
end)

test("receive waits in a handler without holding up others", function()
  local inbox, events = moonport.port(), moonport.port()
  local order = {}
  moonport.spawn(handler(function()
    order[#order + 1] = "waits"
    local ok, value = inbox:receive(5)
    equal(ok, true)
    order[#order + 1] = value
  end))
  events:on(handler(function(value)
    order[#order + 1] = value
    inbox:send("received")
  end))
  events:send("event")
  drain()
  equal(table.concat(order, " "), "waits event received")
  inbox:close()
  events:close()
end)

test("receive gives up after its timeout, in a handler and outside", function()
  local port = moonport.port()
  local name
  moonport.spawn(function()
    name = select(3, port:receive(0.01))
  end)
  while not name do
    moonport.step(1)
  end
  equal(name, "timeout")
  equal(select(3, port:receive(0.01)), "timeout")
  equal(select(3, port:receive()), "timeout")
  port:close()
end)

test("closing a port ends a wait for its message", function()
  local port = moonport.port()
  local name
  moonport.spawn(function()
    name = select(3, port:receive(math.huge))
  end)
  port:close()
  equal(name, "closed")
end)

test("a serial port starts a handler when the one before it has ended", function()
  for _, serial in ipairs({ true, false }) do
    local port = moonport.port({ serial = serial })
    local order = {}
    port:on(function(value)
      order[#order + 1] = value .. "+"
      moonport.sleep(0.005)
      order[#order + 1] = value .. "-"
    end)
    port:send("a")
    port:send("b")
    while #order < 4 do
      moonport.step(1)
    end
    equal(table.concat(order, " "), serial and "a+ a- b+ b-" or "a+ b+ a- b-")
    port:close()
  end
end)

test("a handler can be changed and removed", function()
  local port = moonport.port()
  local got = {}
  port:on(function(value)
    got[#got + 1] = "one " .. value
    port:on(function(inner)
      got[#got + 1] = "two " .. inner
    end)
  end)
  port:send(1)
  port:send(2)
  drain()
  equal(table.concat(got, ", "), "one 1, two 2")
  port:on(nil)
  port:send(3)
  equal(moonport.step(), 0)
  equal(select(2, port:receive()), 3)
  port:close()
end)

test("misuse names the function and what came", function()
  local port = moonport.port()
  raises("moonport.port: unknown option \"capasity\"", moonport.port, { capasity = 1 })
  raises("capacity: expected a positive integer, got %-1", moonport.port, { capacity = -1 })
  raises("capacity: expected a positive integer, got \"many\"", moonport.port, { capacity = "many" })
  raises("expected a table of options, got number", moonport.port, 5)
  raises("port:on: expected a function or nil, got number", port.on, port, 5)
  raises("port:send: expected a moonport.Port, got string", port.send, "x", 1)
  raises("port:send: expected a value", port.send, port)
  raises("unknown option \"tags\"", port.send, port, 1, { tags = 1 })
  raises("tag: expected an integer", port.send, port, 1, { tag = -1 })
  raises("expected a number of seconds, got string", port.receive, port, "long")
  match(select(2, pcall(port.on, port, 5)), "port:on")
  port:close()
end)

test("a dead object of the wrong kind is refused", function()
  local port = moonport.port()
  local timer = moonport.after(100, print)
  raises("expected a moonport.Port", port.send, timer, 1)
  equal(getmetatable(port), "moonport.Port")
  timer:cancel()
  port:close()
end)

-- One task handles message after message: what a handler does must not reach the next one.

test("handlers that wait in the middle of many messages hold up nobody", function()
  local port = moonport.port()
  local got = {}
  port:on(handler(function(value)
    if value % 3 == 0 then
      moonport.sleep(0.001)
    elseif value % 3 == 1 then
      coroutine.yield()
    end
    got[#got + 1] = value
  end))
  for i = 1, 90 do
    port:send(i)
  end
  while #got < 90 do
    moonport.step(1)
  end
  local plain = {}
  for _, value in ipairs(got) do
    if value % 3 == 2 then
      plain[#plain + 1] = value
    end
  end
  equal(#plain, 30)
  for i = 1, 30 do
    equal(plain[i], 3 * i - 1)
  end
  table.sort(got)
  for i = 1, 90 do
    equal(got[i], i)
  end
  port:close()
end)

test("a handler that fails in the middle of many messages fails alone, with its port's name", function()
  local port, other = moonport.port({ name = "spec-failing" }), moonport.port({ name = "spec-other" })
  local got, told = {}, {}
  moonport.on_error(function(message, details)
    told[#told + 1] = details.name .. " " .. message:match("[^ ]+$")
  end)
  local function fail_sometimes(value)
    if value % 4 == 0 then
      error("at" .. value, 0)
    end
    got[#got + 1] = value
  end
  port:on(fail_sometimes)
  other:on(fail_sometimes)
  for i = 1, 12 do
    (i % 2 == 0 and port or other):send(i)
    other:send(-4 * i)
  end
  drain()
  moonport.on_error(nil)
  equal(table.concat(got, " "), "1 2 3 5 6 7 9 10 11")
  equal(#told, 15)
  equal(told[1], "spec-other at-4")
  equal(told[4], "spec-failing at4")
  port:close()
  other:close()
end)

test("a handler may change, close, stop and step what the next message depends on", function()
  local port, other = moonport.port(), moonport.port({ serial = true })
  local got = {}
  local function second(value)
    got[#got + 1] = "second " .. value
    if value == 4 then
      port:close()
    end
  end
  port:on(function(value)
    got[#got + 1] = "first " .. value
    if value == 2 then
      port:on(second)
    elseif value == 1 then
      equal(moonport.step(), 5)
    end
  end)
  other:on(function(value)
    got[#got + 1] = "other " .. value
  end)
  for i = 1, 3 do
    port:send(i)
    other:send(i)
  end
  drain()
  equal(table.concat(got, ", "), "first 1, other 1, first 2, other 2, second 3, other 3")
  port:send(4)
  port:send(5)
  other:send(4)
  drain()
  equal(table.concat(got, ", ", 7), "second 4, other 4")
  other:on(function(value)
    got[#got + 1] = value
    moonport.stop()
  end)
  other:send("a")
  other:send("b")
  moonport.run()
  equal(got[#got], "a")
  other:on(function(value)
    got[#got + 1] = value
  end)
  drain()
  equal(got[#got], "b")
  other:close()
end)

test("a message is for whoever receives, even in the middle of many for the handler", function()
  local port = moonport.port()
  local got = {}
  port:on(function(value)
    if value == 2 then
      moonport.spawn(function()
        local _, received = port:receive(1)
        got[#got + 1] = "received " .. received
      end)
    end
    got[#got + 1] = value
  end)
  for i = 1, 4 do
    port:send(i)
  end
  drain()
  equal(table.concat(got, ", "), "1, received 3, 2, 4")
  port:close()
end)
