-- SPDX-License-Identifier: MIT OR Apache-2.0
-- JSON documents that are long, deep or damaged: what is known of them as a whole.
local spec = ...
local moonport = require("moonport")
local test, equal, match = spec.test, spec.equal, spec.match
local encode, decode = moonport.json.encode, moonport.json.decode

test("a string that is no text is refused, whatever stands beside it", function()
  for _, value in ipairs({ { "\195", "\169" }, { ("x"):rep(100) .. "\195" }, { "\255" } }) do
    local text, message = encode(value)
    equal(text, nil)
    match(message, "^value%[1%]: a string that is not UTF%-8")
  end
  equal(encode("\195\169"), '"\195\169"')
end)

test("a refused value leaves nothing behind", function()
  for _ = 1, 50 do
    equal(encode({ 1, { a = { "\255" } } }), nil)
    equal(decode('{"a": [{"b": 1}, x'), nil)
  end
  equal(encode({ 1, { a = { "x" } } }), '[1,{"a":["x"]}]')
end)

test("depth 128 is written, 129 is not", function()
  local deep = moonport.array({})
  for _ = 1, 127 do
    deep = { deep }
  end
  equal(encode(deep), ("["):rep(128) .. ("]"):rep(128))
  local text, message = encode({ deep })
  equal(text, nil)
  match(message, "nested deeper than 128")
end)

test("keys come out as they are, however many and long", function()
  -- Most differ in one byte only, or in their length.
  local keys = {}
  for length = 0, 40 do
    for place = 1, length do
      keys[#keys + 1] = ("k"):rep(place - 1) .. "x" .. ("k"):rep(length - place)
    end
    keys[#keys + 1] = ("k"):rep(length)
    keys[#keys + 1] = ("\\u0000"):rep(length)
  end
  local parts = {}
  for at, key in ipairs(keys) do
    parts[at] = ('{"%s":%d}'):format(key, at)
  end
  local document = "[" .. table.concat(parts, ",") .. "]"
  for _ = 1, 3 do
    for at, object in ipairs(decode(document)) do
      local key, value = next(object)
      equal(key, (keys[at]:gsub("\\u0000", "\0")))
      equal(value, at)
      equal(next(object, key), nil)
    end
  end
end)

test("decimals are the nearest numbers", function()
  local state = 1
  for _ = 1, 2000 do
    state = state * 16807 % 2147483647
    local text = ("%d.%0" .. state % 17 + 1 .. "d"):format(state % 1000000, state % 99991)
    equal(decode(text), tonumber(text), text)
    equal(decode("-" .. text), -tonumber(text), text)
  end
end)
