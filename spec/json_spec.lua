-- SPDX-License-Identifier: MIT OR Apache-2.0
-- JSON both ways.
local spec = ...
local moonport = require("moonport")
local test, equal, match, raises = spec.test, spec.equal, spec.match, spec.raises
local encode, decode = moonport.json.encode, moonport.json.decode

test("documents decode to tables", function()
  local value = decode('{"a": [1, 2.5, "x", null, true, false], "b": {"c": "\\u00e9\\ud83d\\ude00\\n"}, "a2": -0.5e2}')
  equal(#value.a, 6)
  equal(value.a[1], 1)
  equal(value.a[2], 2.5)
  equal(value.a[3], "x")
  equal(value.a[4], moonport.null)
  equal(value.a[5], true)
  equal(value.a[6], false)
  equal(value.b.c, "\195\169\240\159\152\128\n")
  equal(value.a2, -50)
  equal(decode("null"), moonport.null)
  equal(decode(' "x" '), "x")
  equal(decode('{"a": 1, "a": 2}').a, 2)
end)

test("errors give the byte offset", function()
  for text, offset in pairs({
    [""] = 0, ["[1, 2"] = 5, ["[1,]"] = 3, ['{"a" 1}'] = 5, ["[1] x"] = 4, ['"\255"'] = 1, ['"\\ud800"'] = 1,
    ["1e400"] = 0, ["01"] = 1, ["nul"] = 3, ['"a\nb"'] = 2,
  }) do
    local value, message = decode(text)
    equal(value, nil, text)
    match(message, "malformed JSON: .*byte " .. offset .. "$")
  end
end)

test("depth 128 is taken, 129 is not", function()
  equal(type(decode(("["):rep(128) .. ("]"):rep(128))), "table")
  local value, message = decode(("["):rep(129) .. ("]"):rep(129))
  equal(value, nil)
  match(message, "128")
end)

test("sequences and objects are told apart", function()
  equal(encode({ 1, 2, 3 }), "[1,2,3]")
  equal(encode({}), "{}")
  equal(encode(moonport.array({})), "[]")
  equal(encode(decode("[]")), "[]")
  equal(encode(decode("[[],{}]")), "[[],{}]")
  equal(encode({ a = 1 }), '{"a":1}')
  equal(encode({ [1] = "a", [3] = "c" }):find("{", 1, true), 1)
  equal(encode({ [5] = true }), '{"5":true}')
  local odd = {}
  for i = 10, 1, -1 do
    odd[i] = i
  end
  equal(encode(odd), "[1,2,3,4,5,6,7,8,9,10]")
  equal(encode(moonport.null), "null")
  equal(encode({ moonport.null, 1 }), "[null,1]")
end)

test("numbers are written shortest and exact", function()
  for text, value in pairs({
    ["0"] = 0, ["1"] = 1, ["-1"] = -1, ["0.1"] = 0.1, ["9007199254740991"] = 2 ^ 53 - 1, ["1.5"] = 1.5,
    ["0.30000000000000004"] = 0.1 + 0.2,
  }) do
    equal(encode(value), text)
  end
  equal(decode(encode(1e300)), 1e300)
  equal(decode(encode(5e-324)), 5e-324)
end)

test("64-bit integers are exact", function()
  for _, text in ipairs({ "9223372036854775807", "-9223372036854775808", "9007199254740993" }) do
    if jit or math.type then
      equal(encode(decode(text)), text)
    end
  end
  if jit then
    equal(encode(decode("18446744073709551615")), "18446744073709551615")
    equal(tostring(decode("9007199254740993")), "9007199254740993LL")
    equal(type(decode("9007199254740991")), "number")
  end
  equal(decode("18446744073709551616"), 2 ^ 64)
end)

test("what cannot be JSON is named with its path", function()
  local function refused(value, pattern)
    local text, message = encode(value)
    equal(text, nil)
    match(message, pattern)
  end
  refused(print, "^value: a function cannot be JSON")
  refused({ a = { 1, { b = print } } }, "^value%.a%[2%]%.b: a function")
  refused({ 0 / 0 }, "value%[1%]: NaN")
  refused({ x = math.huge }, "value%.x: an infinite number")
  refused("\255", "not UTF%-8")
  refused({ ["\255"] = 1 }, "key that is not UTF%-8")
  refused({ [true] = 1 }, "only strings and integers can be keys")
  local cycle = {}
  cycle.a = { cycle }
  refused(cycle, "value%.a%[1%]: a table that contains itself")
  local deep = {}
  for _ = 1, 200 do
    deep = { deep }
  end
  refused(deep, "nested deeper than 128")
  raises("expected a value", encode)
  raises("expected a string, got number", decode, 5)
  raises("moonport.array: expected a table, got nil", moonport.array, nil)
end)

test("a shared table is no cycle", function()
  local shared = { 1 }
  equal(encode({ shared, shared }), "[[1],[1]]")
end)

test("random values survive the round trip", function()
  local state = 12345
  local function random(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return math.floor(state / 65536) % n
  end
  local function make(depth)
    local kind = random(depth > 4 and 5 or 7)
    if kind == 0 then
      return random(2) == 0
    elseif kind == 1 then
      return random(32768) - 16384
    elseif kind == 2 then
      return (random(32768) - 16384) / 7
    elseif kind == 3 then
      return moonport.null
    elseif kind == 4 then
      local text = {}
      for i = 1, random(12) do
        text[i] = string.char(random(127) + 1)
      end
      return table.concat(text)
    end
    local t = {}
    for i = 1, random(6) do
      t[kind == 5 and i or "k" .. i] = make(depth + 1)
    end
    return t
  end
  local function same(a, b)
    if type(a) ~= "table" then
      return a == b
    end
    for k, v in pairs(a) do
      if not same(v, b[k]) then
        return false
      end
    end
    for k in pairs(b) do
      if a[k] == nil then
        return false
      end
    end
    return true
  end
  for i = 1, 500 do
    local value = make(0)
    local text = assert(encode(value))
    assert(same(value, decode(text)), text)
  end
end)
