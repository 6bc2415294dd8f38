-- SPDX-License-Identifier: MIT OR Apache-2.0
-- MessagePack: encode, decode, what cannot be encoded, what is malformed.
local spec = ...
local moonport = require("moonport")
local test, equal, match, raises = spec.test, spec.equal, spec.match, spec.raises
local encode, decode = moonport.msgpack.encode, moonport.msgpack.decode

local function hex(text)
  return (text:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

test("values have their shortest forms", function()
  for _, case in ipairs({
    { moonport.null, "c0" }, { false, "c2" }, { true, "c3" }, { 0, "00" }, { 127, "7f" }, { 128, "cc80" },
    { 256, "cd0100" }, { 65536, "ce00010000" }, { 2 ^ 32, "cf0000000100000000" }, { -1, "ff" }, { -33, "d0df" },
    { 0.5, "ca3f000000" }, { 0.1, "cb3fb999999999999a" }, { "", "a0" }, { "abc", "a3616263" }, { "\255", "c401ff" },
    { {}, "80" }, { moonport.array({}), "90" }, { { 1, 2 }, "920102" }, { { a = 1 }, "81a16101" },
    { { [5] = "x" }, "8105a178" }, { { { {} } }, "919180" },
  }) do
    equal(hex(encode(case[1])), case[2])
  end
  equal(hex(encode(nil)), "c0")
end)

test("what was encoded comes back", function()
  local value = {
    text = "a\0b", bytes = "\255\254", list = { 1, "two", { three = 3 } }, yes = true, no = false, half = 0.5,
    [7] = "seven", [-1] = "minus", [1.5] = "float", [true] = "boolean", null = moonport.null, empty = {}, infinite = 1 / 0,
  }
  local back = assert(decode(assert(encode(value))))
  equal(back.text, value.text)
  equal(back.bytes, value.bytes)
  equal(back.list[3].three, 3)
  equal(#back.list, 3)
  equal(back.yes, true)
  equal(back.no, false)
  equal(back.half, 0.5)
  equal(back[7], "seven")
  equal(back[-1], "minus")
  equal(back[1.5], "float")
  equal(back[true], "boolean")
  equal(back.null, moonport.null)
  equal(next(back.empty), nil)
  equal(back.infinite, 1 / 0)
  equal(hex(encode(decode("\144"))), "90")
  equal(decode("\192"), moonport.null)
end)

test("integers of all widths are exact", function()
  for _, bytes in ipairs({ "\211\128\0\0\0\0\0\0\0", "\207\127\255\255\255\255\255\255\255" }) do
    local value = assert(decode(bytes))
    if spec.exact then
      equal(hex(encode(value)), hex(bytes))
    end
  end
  if spec.exact == "unsigned" then
    local most = "\207" .. ("\255"):rep(8)
    equal(hex(encode(decode(most))), hex(most))
  end
  equal(decode("\207\0\31\255\255\255\255\255\255"), 2 ^ 53 - 1)
end)

test("malformed bytes are refused with their offset", function()
  for bytes, pattern in pairs({
    [""] = "byte 0", ["\146\1"] = "byte", ["\1\2"] = "byte 1", ["\221\255\255\255\255\1"] = "byte 0", ["\193"] = "byte 0",
    ["\145\212\5\0"] = "extension type 5 .*byte 1", ["\214\255\0\0\0\0"] = "extension type %-1",
    ["\162\255\255"] = "UTF%-8 at byte 1", ["\129\192\1"] = "byte 1", [("\145"):rep(129) .. "\1"] = "nested deeper than 128",
  }) do
    local value, message = decode(bytes)
    equal(value, nil)
    match(message, "^malformed MessagePack: ")
    match(message, pattern)
  end
  raises("moonport.msgpack.decode: expected a string, got table", decode, {})
end)

test("what cannot be encoded is named with its path", function()
  local value, message = encode({ items = { 1, { draw = print } } })
  equal(value, nil)
  equal(message, "value.items[2].draw: a function cannot be MessagePack")
  local loop = {}
  loop.again = loop
  _, message = encode(loop)
  match(message, "value.again: a table that contains itself")
  _, message = encode({ [{}] = 1 })
  match(message, "a table as a key")
  raises("moonport.msgpack.encode: expected a value", encode)
end)
