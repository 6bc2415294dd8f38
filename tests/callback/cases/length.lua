-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Bytes with a length: how a declaration says which parameter holds it, and lengths that cannot be.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local BYTES_SIZE = "void (const char *, size_t)"
local BYTES_INT = "void (const char *, int)"

case.test("length_in_a_parameter_with_a_telling_name", function()
  for _, name in ipairs({ "len", "length", "size", "n", "count", "nbytes", "data_len", "dataSize" }) do
    local callback, got = case.recorded(("void (*)(const char *data, size_t %s)"):format(name))
    case.there(BYTES_SIZE, callback.pointer, "a\0bcd", 3)
    case.drain()
    case.arrived(got, { "a\0b", 3 })
  end
end)

case.test("length_of_void_and_uint8_pointers", function()
  for _, kind in ipairs({
    "const void *",
    "const uint8_t *",
    "const unsigned char *",
    "void const *",
  }) do
    local callback, got = case.recorded(("void (*)(%sdata, int size)"):format(kind))
    case.there(BYTES_INT, callback.pointer, "a\0bcd", 4)
    case.drain()
    case.arrived(got, { "a\0bc", 4 })
  end
end)

case.test("length_in_an_unnamed_size_t", function()
  local callback, got = case.recorded("void (*)(const char *, size_t)")
  case.there(BYTES_SIZE, callback.pointer, "a\0bcd", 5)
  case.drain()
  case.arrived(got, { "a\0bcd", 5 })
end)

case.test("length_is_not_what_has_another_name", function()
  -- Then the pointer is a string with a NUL.
  local callback, got = case.recorded("void (*)(const char *text, int code)")
  case.there(BYTES_INT, callback.pointer, "abc\0def", 6)
  case.drain()
  case.arrived(got, { "abc", 6 })
end)

case.test("length_as_an_extent", function()
  local behind, got = case.recorded("void (*)(const char p[amount], int amount)")
  case.there(BYTES_INT, behind.pointer, "\0bcde", 2)
  local before, others = case.recorded("void (*)(size_t amount, const char p[amount])")
  case.there("void (size_t, const char *)", before.pointer, 4, "\0bcde")
  local fixed, thirds = case.recorded("void (*)(const char p[3], int amount)")
  case.there(BYTES_INT, fixed.pointer, "\0bcde", 5)
  case.drain()
  case.arrived(got, { "\0b", 2 })
  case.arrived(others, { 4, "\0bcd" })
  case.arrived(thirds, { "\0bc", 5 })
end)

case.test("length_in_a_note", function()
  local callback, got = case.recorded("void (*)(const char *p @len(k), int k)")
  case.there(BYTES_INT, callback.pointer, "\0bcde", 2)
  local fixed, others = case.recorded("void (*)(const char *p /* @len(4) */, int k)")
  case.there(BYTES_INT, fixed.pointer, "\0bcde", 2)
  local text, thirds = case.recorded("void (*)(const char *p @nul, size_t size)")
  case.there(BYTES_SIZE, text.pointer, "ab\0de", 5)
  case.drain()
  case.arrived(got, { "\0b", 2 })
  case.arrived(others, { "\0bcd", 2 })
  case.arrived(thirds, { "ab", 5 })
end)

case.test("length_counts_elements", function()
  local callback, got = case.recorded("void (*)(size_t n, const double p[n])")
  case.there("void (size_t, const double *)", callback.pointer, 3, 0.5, -2, 1e300)
  case.there("void (size_t, const double *)", callback.pointer, 0)
  case.drain()
  case.equal(#got, 2)
  case.gives({ 3, 24 }, got[1][1], #got[1][2])
  case.gives({ 0, "" }, got[2][1], got[2][2])
  if string.unpack then
    case.gives({ 0.5, -2, 1e300, 25 }, string.unpack("ddd", got[1][2]))
  else
    local ffi = require("ffi")
    local list = ffi.cast("const double *", got[1][2])
    case.gives({ 0.5, -2, 1e300 }, list[0], list[1], list[2])
  end
end)

case.test("length_negative_is_refused", function()
  local callback, got = case.recorded("void (*)(const char *data, int size)", { name = "negative" })
  for _, call in ipairs(case.both) do
    call(BYTES_INT, callback.pointer, "abc", -1)
    call(BYTES_INT, callback.pointer, "abc", -2 ^ 31)
    call(BYTES_INT, callback.pointer, nil, -1)
    call(BYTES_INT, callback.pointer, "abc", 2)
  end
  case.drain()
  case.arrived(got, { "ab", 2 }, { "ab", 2 })
  local messages = case.told("argument * 6")
  case.match(messages[1], "negative.*parameter 1 %(data%).*%-1")
end)

case.test("length_of_SIZE_MAX_is_refused", function()
  local native = case.native()
  local largest = native.integer("0xffffffffffffffff")
  local callback, got = case.recorded("void (*)(const char *data, size_t size)")
  local doubles, others = case.recorded("void (*)(size_t n, const double p[n])")
  for _, call in ipairs(case.both) do
    call(BYTES_SIZE, callback.pointer, "abc", largest)
    call(BYTES_SIZE, callback.pointer, nil, largest)
    call("void (size_t, const double *)", doubles.pointer, largest)
    -- Times the size of a double this is 8.
    call("void (size_t, const double *)", doubles.pointer, native.integer("0x2000000000000001"))
    call(BYTES_SIZE, callback.pointer, "abc", 2)
  end
  case.drain()
  case.arrived(got, { "ab", 2 }, { "ab", 2 })
  case.equal(#others, 0)
  local messages = case.told("argument * 8")
  case.match(messages[1], "parameter 1 %(data%)")
end)

case.test("length_beyond_max_string_is_refused", function()
  local callback, got =
    case.recorded("void (*)(const char *data, size_t size)", { max_string = 100 })
  -- Nothing is read: there are not so many bytes.
  case.there(BYTES_SIZE, callback.pointer, "abc", 101)
  case.there(BYTES_SIZE, callback.pointer, "abc", 2 ^ 40)
  case.there(BYTES_SIZE, callback.pointer, ("x"):rep(100))
  case.drain()
  case.arrived(got, { ("x"):rep(100), 100 })
  case.told("argument * 2")
end)

case.test("length_refused_for_a_waiting_caller_is_its_default", function()
  local ran = 0
  local callback = require("moonport").callback(
    "int (*)(const char *data, size_t size)",
    function(data)
      ran = ran + 1
      return #data
    end,
    { default = -7 }
  )
  for _, call in ipairs(case.both) do
    case.equal(call("int (const char *, size_t)", callback.pointer, nil, 5), -7)
    case.equal(call("int (const char *, size_t)", callback.pointer, "abc", 3), 3)
  end
  case.drain()
  case.equal(ran, 2)
  case.told("argument * 2")
end)

case.main()
