-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Numbers of every type, up to their limits, in registers and beyond.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local EVERY =
  "void (*)(_Bool, int8_t, uint8_t, int16_t, uint16_t, int32_t, uint32_t, int64_t, uint64_t, float, double, char)"

-- Calls with these arguments from here and from another thread; the arguments of both calls.
local function exchange(declaration, signature, ...)
  local callback, got = case.recorded(declaration)
  for _, call in ipairs(case.both) do
    call(signature, callback.pointer, ...)
  end
  case.drain()
  case.equal(#got, 2)
  return got
end

case.test("number_integers_at_their_limits", function()
  for _, row in ipairs({
    { false, -128, 0, -32768, 0, -2 ^ 31, 0, -2 ^ 53, 0, 0, 0, -128 },
    { true, 127, 255, 32767, 65535, 2 ^ 31 - 1, 2 ^ 32 - 1, 2 ^ 53, 2 ^ 53, 0, 0, 127 },
    { true, -1, 1, -1, 1, -1, 1, -1, 1, 0, 0, -1 },
  }) do
    for _, got in ipairs(exchange(EVERY, "void (every type)", case.unpack(row))) do
      case.equal(got.n, 12)
      for i = 1, 12 do
        case.equal(got[i], row[i], "parameter " .. i)
      end
    end
  end
end)

case.test("number_64_bits_are_exact", function()
  local native = case.native()
  local rows = {
    { "0x7fffffffffffffff", "0x20000000000001", "9223372036854775807", "9007199254740993" },
    { "0x8000000000000000", "0x7fffffffffffffff", "-9223372036854775808", "9223372036854775807" },
    { "0xffdfffffffffffff", "0x7ffffffffffffffe", "-9007199254740993", "9223372036854775806" },
  }
  -- From Lua 5.3 on an integer has 63 bits and a sign.
  if rawget(_G, "jit") then
    rows[#rows + 1] = { "0xffffffffffffffff", "0xffffffffffffffff", "-1", "18446744073709551615" }
    rows[#rows + 1] = { "0", "0x8000000000000000", "0", "9223372036854775808" }
  end
  for _, row in ipairs(rows) do
    local got = exchange(
      EVERY,
      "void (every type)",
      true,
      0,
      0,
      0,
      0,
      0,
      0,
      native.integer(row[1]),
      native.integer(row[2]),
      0,
      0,
      0
    )
    for i = 1, 2 do
      case.gives({ row[3], row[4] }, case.decimal(got[i][8]), case.decimal(got[i][9]))
    end
  end
end)

case.test("number_64_bits_are_plain_numbers_where_those_are_exact", function()
  for _, value in ipairs({ 0, -1, 2 ^ 31, -2 ^ 53, 2 ^ 53 }) do
    local got = exchange(
      "void (*)(size_t, long, long long, ptrdiff_t, intptr_t, uintptr_t, int8_t, uint8_t, short, unsigned short, _Bool, float, uint32_t, int8_t)",
      "void (6 longs, 8 small ones)",
      math.abs(value),
      value,
      value,
      value,
      value,
      math.abs(value),
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0
    )
    for i = 1, 2 do
      for at = 2, 5 do
        case.equal(type(got[i][at]), "number")
        case.equal(got[i][at], value)
      end
      case.gives({ math.abs(value), math.abs(value) }, got[i][1], got[i][6])
    end
  end
end)

case.test("number_floats", function()
  local smallest_float, largest_float = 2 ^ -149, (2 - 2 ^ -23) * 2 ^ 127
  for _, row in ipairs({
    { smallest_float, 2 ^ -1074 },
    { largest_float, (2 - 2 ^ -52) * 2 ^ 1023 },
    { -largest_float, -1 / 3 },
    { 1 / 0, -1 / 0 },
    { 0.5, 1e-300 },
  }) do
    for _, got in
      ipairs(exchange(EVERY, "void (every type)", false, 0, 0, 0, 0, 0, 0, 0, 0, row[1], row[2], 0))
    do
      case.gives(row, got[10], got[11])
    end
  end
  for _, got in
    ipairs(exchange(EVERY, "void (every type)", false, 0, 0, 0, 0, 0, 0, 0, 0, 0 / 0, 0 / 0, 0))
  do
    assert(got[10] ~= got[10] and got[11] ~= got[11], "no number is what it is")
  end
  for _, got in
    ipairs(
      exchange(EVERY, "void (every type)", false, 0, 0, 0, 0, 0, 0, 0, 0, -0.0, 1 / (-1 / 0), 0)
    )
  do
    case.gives({ -1 / 0, -1 / 0 }, 1 / got[10], 1 / got[11])
  end
end)

case.test("number_enumerations_and_wide_characters", function()
  for _, declaration in ipairs({
    "void (*)(enum color c)",
    "void (*)(wchar_t c)",
    "void (*)(int c)",
  }) do
    local got = exchange(declaration, "void (int)", -7)
    case.gives({ -7, -7 }, got[1][1], got[2][1])
  end
  local got = exchange("void (*)(char32_t c)", "void (int)", -1)
  case.gives({ 2 ^ 32 - 1, 2 ^ 32 - 1 }, got[1][1], got[2][1])
end)

case.test("number_every_spelling_of_a_type", function()
  for _, spelling in ipairs({
    "int",
    "signed",
    "signed int",
    "int signed",
    "const int",
    "int const",
    "volatile int",
    "int32_t",
    "register int x",
  }) do
    local got = exchange(("void (*)(%s)"):format(spelling), "void (int)", -3)
    case.gives({ 1, -3, -3 }, got[1].n, got[1][1], got[2][1])
  end
  for _, spelling in ipairs({
    "unsigned",
    "unsigned int",
    "int unsigned",
    "uint32_t",
    "const unsigned u",
  }) do
    local got = exchange(("void (*)(%s)"):format(spelling), "void (int)", -3)
    case.gives({ 2 ^ 32 - 3, 2 ^ 32 - 3 }, got[1][1], got[2][1])
  end
end)

local function squares(count)
  local list = {}
  for i = 1, count do
    list[i] = i * i * (i % 2 == 0 and -1 or 1)
  end
  return list
end

case.test("number_fourteen_integers", function()
  local row = squares(14)
  local got =
    exchange(("void (*)(%sint)"):format(("int, "):rep(13)), "void (14 ints)", case.unpack(row))
  case.arrived(got, row, row)
end)

case.test("number_fourteen_with_more_floats_than_registers", function()
  local row = squares(14)
  for i, value in ipairs(row) do
    row[i] = (i % 2 == 1 or i > 10) and value + 0.125 or value
  end
  local got = exchange(
    "void (*)(double, int, double, int, double, int, double, int, double, int, double, double, double, double)",
    "void (9 doubles, 5 ints)",
    case.unpack(row)
  )
  case.arrived(got, row, row)
end)

case.test("number_fourteen_with_small_ones_on_the_stack", function()
  local row = { -1, 2, -3, 4, -5, 6, -128, 255, -32768, 65535, true, -0.25, 2 ^ 32 - 1, 127 }
  local got = exchange(
    "void (*)(long a, long b, long c, long d, long e, long f, int8_t, uint8_t, int16_t, uint16_t, _Bool, float, uint32_t, int8_t z)",
    "void (6 longs, 8 small ones)",
    case.unpack(row)
  )
  case.arrived(got, row, row)
end)

case.ffi("number_typedefs_and_enumerations_of_the_ffi_library", function()
  local ffi = require("ffi")
  ffi.cdef([[
    typedef unsigned char callback_byte;
    typedef callback_byte callback_level;
    typedef enum { CALLBACK_RED, CALLBACK_BLUE = 40 } callback_color;
    typedef double callback_seconds;
    typedef struct callback_hidden *callback_handle;
  ]])
  local callback, got = case.recorded(
    "void (*)(callback_level, callback_color color, callback_seconds, callback_handle h @opaque)"
  )
  local pointer = ffi.cast("void (*)(unsigned char, int, double, void *)", callback.pointer)
  pointer(200, 40, 2.5, ffi.cast("void *", 4096))
  case.drain()
  case.equal(#got, 1)
  case.gives(
    { 200, 40, 2.5, case.native().pointer(4096) },
    got[1][1],
    got[1][2],
    got[1][3],
    got[1][4]
  )
end)

case.main()
