-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What the flavours of Lua could make different: 64-bit integers, coroutines that die, errors of every type, the compiler.
local spec = ...
local moonport = require("moonport")
local test, equal, match, raises, handler = spec.test, spec.equal, spec.match, spec.raises, spec.handler
local encode, decode = moonport.json.encode, moonport.json.decode

-- Which integers beside the numbers this Lua has, by contract.
local integers = jit and "cdata" or math.type and "integer" or "number"

local function drain()
  while moonport.step() > 0 do
  end
end

-- A port that has received value, closed again.
local function cross(value)
  local port = moonport.port()
  assert(port:send(value))
  local ok, got = port:receive()
  port:close()
  equal(ok, true)
  return got
end

-- A userdata that calls fn when it is collected; 5.1 has no __gc for tables.
local function finalised(fn)
  if newproxy then
    local proxy = newproxy(true)
    getmetatable(proxy).__gc = fn
    return proxy
  end
  return setmetatable({}, { __gc = fn })
end

test("whole numbers look the same after crossing", function()
  for _, value in ipairs({ 0, 1, -1, 2 ^ 31, -2 ^ 31, 2 ^ 53, 1e15, 0.5, 1e300 }) do
    equal(tostring(cross(value)), tostring(value))
    equal(tostring(cross({ value })[1]), tostring(value))
  end
  equal(tostring(cross(-0.0)), tostring(-0.0))
  equal(cross(2 ^ 53), 2 ^ 53)
  equal(cross({ [1] = "a", [2.5] = "b", [-3] = "c" })[2.5], "b")
  local got = cross({ [2 ^ 40] = "far" })
  equal(got[2 ^ 40], "far")
  local nan = cross(0 / 0)
  assert(nan ~= nan)
end)

test("JSON writes a whole number without a point and a float that is one too", function()
  equal(encode(3), "3")
  equal(encode(2 ^ 31), "2147483648")
  equal(encode({ 1, 2 }), "[1,2]")
  equal(encode({ [10] = 1 }), '{"10":1}')
  equal(decode("[1, 2]")[2], 2)
  equal(#decode("[1, 2, 3]"), 3)
  equal(decode('{"1": "text key"}')[1], nil)
end)

if integers == "cdata" then
  test("cdata integers cross and are JSON, exactly and with their type", function()
    local ffi = require("ffi")
    for _, text in ipairs({ "9223372036854775807", "-9223372036854775808", "18446744073709551615", "9007199254740993" }) do
      local value = decode(text)
      equal(type(value), "cdata")
      equal(encode(value), text)
      equal(encode({ id = value }), '{"id":' .. text .. "}")
      equal(encode(cross({ value })[1]), text)
      assert(ffi.istype(ffi.typeof(value), cross(value)))
    end
    equal(type(decode("9007199254740992")), "number")
    equal(type(decode("-9007199254740992")), "number")
    equal(encode(ffi.new("int64_t", -7)), "-7")
  end)
elseif integers == "integer" then
  test("integers cross and are JSON, exactly, and floats stay floats", function()
    local edge = math.tointeger(2 ^ 53)
    for _, value in ipairs({ math.maxinteger, math.mininteger, edge, edge + 1, 0, -1 }) do
      equal(math.type(cross(value)), "integer")
      equal(cross(value), value)
      equal(cross({ [value] = value })[value], value)
      equal(encode(value), tostring(value))
      equal(math.type(decode(encode(value))), "integer")
      equal(decode(encode(value)), value)
    end
    equal(math.type(cross(1.0)), "float")
    equal(math.type(decode("1.0")), "float")
    equal(math.type(decode("18446744073709551615")), "float")
    local port = moonport.port()
    equal(math.type(port:handle()), "integer")
    equal(math.type(port:stats().sent), "integer")
    port:on(handler(function(_, message)
      equal(math.type(message.sequence), "integer")
      equal(math.type(message.tag), "integer")
    end))
    port:send(1, { tag = 7.0 })
    equal(math.type(moonport.step()), "integer")
    port:close()
  end)
else
  test("integers are the nearest number", function()
    equal(decode("9007199254740993"), 2 ^ 53)
    equal(decode("9223372036854775807"), 2 ^ 63)
    equal(decode("-9223372036854775808"), -2 ^ 63)
    equal(decode("18446744073709551615"), 2 ^ 64)
    equal(encode(2 ^ 53 - 1), "9007199254740991")
    local port = moonport.port()
    equal(type(port:handle()), "number")
    port:close()
  end)
end

test("a port made in a coroutine that is dead and collected gets its messages", function()
  local got, port = 0, nil
  local routine = coroutine.create(function()
    local inner = require("moonport")
    port = inner.port()
    port:on(handler(function(value)
      got = got + value
    end))
    inner.after(0, handler(function()
      got = got + 100
    end))
  end)
  assert(coroutine.resume(routine))
  equal(coroutine.status(routine), "dead")
  routine = nil
  collectgarbage()
  collectgarbage()
  port:send(1)
  port:send(2)
  moonport.step(1)
  drain()
  equal(got, 103)
  port:close()
end)

test("a handler set in a coroutine that failed or never ends gets its messages", function()
  for _, ending in ipairs({ "error", "yield" }) do
    local got, port = 0, moonport.port()
    local routine = coroutine.create(function()
      port:on(handler(function()
        got = got + 1
      end))
      if ending == "error" then
        error("(this line belongs to a spec)")
      end
      coroutine.yield()
    end)
    equal(coroutine.resume(routine), ending == "yield")
    routine = nil
    collectgarbage()
    port:send(1)
    drain()
    equal(got, 1)
    port:close()
  end
end)

test("step and run work inside a coroutine, and handlers run on threads of their own", function()
  local port = moonport.port()
  local order, seen = {}, {}
  port:on(handler(function(value)
    seen[#seen + 1] = coroutine.running()
    order[#order + 1] = value
    if value == "wait" then
      moonport.sleep(0.001)
      order[#order + 1] = "woke"
    elseif value == "stop" then
      moonport.stop()
    end
  end))
  local mine
  local step = coroutine.wrap(function()
    mine = coroutine.running()
    port:send("a")
    equal(moonport.step(), 1)
    coroutine.yield("between")
    port:send("wait")
    equal(moonport.step(), 1)
    equal(moonport.step(1), 1)
    port:send("stop")
    moonport.run()
    return "end"
  end)
  equal(step(), "between")
  equal(step(), "end")
  equal(table.concat(order, " "), "a wait woke stop")
  equal(#seen, 3)
  for _, thread in ipairs(seen) do
    assert(thread and thread ~= mine)
  end
  port:close()
end)

test("a handler may wait below pcall where this Lua can yield there", function()
  local outcome
  moonport.spawn(function()
    local ok, message = pcall(function()
      moonport.sleep(0.001)
      return "slept"
    end)
    outcome = ok and message or tostring(message)
  end)
  moonport.run()
  -- Only PUC-Lua 5.1 cannot: pcall is a C function to it, and says so.
  local able = jit or _VERSION ~= "Lua 5.1"
  match(outcome, able and "^slept$" or "attempt to yield across metamethod/C%-call boundary")
end)

test("errors of every type are reported, and the port goes on", function()
  local port = moonport.port({ name = "spec any error" })
  local reports, got = {}, 0
  moonport.on_error(function(message, info)
    equal(type(message), "string")
    equal(info.kind, "handler")
    equal(info.name, "spec any error")
    match(info.traceback, "stack traceback")
    reports[#reports + 1] = message
  end)
  local function forever()
    return 1 + forever()
  end
  local cases = {
    { _VERSION == "Lua 5.5" and "no error object" or "nil value", function() error(nil) end },
    { "table value", function() error({ code = 1 }) end },
    { ".", function() error(setmetatable({}, { __tostring = function() error("in tostring") end })) end },
    { "42$", function() error(42) end },
    { "boolean value", function() error(false) end },
    { "userdata value", function() error(io.stdout) end },
    { "function value", function() error(print) end },
    { "thread value", function() error(coroutine.create(forever)) end },
    { "stack overflow", forever },
    { "^plain$", function() error("plain", 0) end },
    { "flavour_spec.lua:%d+: placed", function() error("placed") end },
    { "^zero\0byte", function() error("zero\0byte", 0) end },
    { "attempt to", function() return nil .. "x" end },
    { "port:send", function() port:send(print) end },
    { "inner", function() coroutine.wrap(function() error("inner") end)() end },
    { "in handler", function() xpcall(error, function() error("in xpcall") end) error("in handler") end },
  }
  port:on(handler(function(at)
    if cases[at] then
      cases[at][2]()
    end
    got = got + 1
  end))
  for at, case in ipairs(cases) do
    port:send(at)
    port:send("after")
    drain()
    equal(#reports, at, case[1])
    match(reports[at], case[1])
    equal(got, at)
  end
  port:close()
end)

test("an error in on_error of every type does no harm", function()
  local port = moonport.port({ name = "(this and the next lines belong to a spec)" })
  local got, heard = 0, 0
  local function forever()
    return 1 + forever()
  end
  local errors = {
    function() error("again", 0) end, function() error() end, function() error({}) end, forever,
    function() coroutine.yield() end, function() moonport.sleep(0) end, function() moonport.step() end,
  }
  port:on(handler(function(at)
    if at then
      error("first", 0)
    end
    got = got + 1
  end))
  for at, fail in ipairs(errors) do
    moonport.on_error(function()
      heard = heard + 1
      fail()
    end)
    port:send(at)
    port:send(nil)
    drain()
    equal(heard, at)
    equal(got, at)
  end
  port:close()
end)

test("an error in a finaliser while messages are delivered does no harm", function()
  local port = moonport.port()
  local count, raised, hostile = 0, 0, false
  moonport.on_error(function() end)
  port:on(function(value)
    count = count + #value.list
    for _ = 1, 20 do
      finalised(function()
        if hostile then
          raised = raised + 1
          error("(this line belongs to a spec)", 0)
        end
      end)
    end
  end)
  -- Up to 5.3, and in some LuaJIT, that error is raised by whatever made the collector run.
  local function round(at)
    hostile = true
    port:send({ list = { 1, 2, 3 }, text = ("x"):rep(1000) })
    moonport.step()
    if at % 10 == 0 then
      collectgarbage()
    end
  end
  -- LuaJIT before 2023 crashes by itself if a finaliser raises while compiled code runs, also code that was compiled before
  -- jit.off(); this is about ours.
  local compiles = jit and jit.status()
  if compiles then
    jit.off()
    jit.flush()
  end
  for at = 1, 500 do
    pcall(round, at)
    hostile = false
  end
  if compiles then
    jit.on()
  end
  assert(raised > 0)
  port:on(function()
    count = count + 1
  end)
  drain()
  count = 0
  port:send("last")
  drain()
  equal(count, 1)
  port:close()
end)

-- The compiler must change nothing: the same mixed run, hot enough to be compiled, gives the same summary. scripts/test
-- compares the line of luajit with that of luajit -joff.
test("a mixed run comes to the same end", function()
  local ports, sum, text = {}, 0, {}
  for at = 1, 4 do
    ports[at] = moonport.port({ serial = at == 2 })
    ports[at]:on(function(value, message)
      if type(value) == "table" then
        sum = (sum * 31 + value.n + message.tag) % 1000003
      else
        sum = (sum * 17 + #value) % 1000003
      end
      if at == 2 and sum % 64 == 0 then
        coroutine.yield()
      end
      if at == 3 then
        text[#text + 1] = encode({ n = sum, half = sum / 2, list = { sum % 7, "x" } })
      end
    end)
  end
  for round = 1, 200 do
    for at = 1, 4 do
      ports[at]:send({ n = round * at, nested = { { round } } }, { tag = round })
      ports[at]:send(("y"):rep(round % 13))
    end
    if round % 10 == 0 then
      drain()
    end
  end
  drain()
  local check = 0
  for _, line in ipairs(text) do
    check = (check * 31 + decode(line).n + #line) % 1000003
  end
  equal(#text, 400)
  for at = 1, 4 do
    equal(ports[at]:stats().delivered, 400)
    ports[at]:close()
  end
  spec.summary = ("%d %d"):format(sum, check)
  print("summary " .. spec.summary)
end)
