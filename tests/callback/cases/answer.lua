-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Returning callbacks: results of every type, what cannot be one, defaults.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local function returning(declaration, handler, options)
  return require("moonport").callback(declaration, handler, options)
end

case.test("answer_to_another_thread_and_to_this_one", function()
  local callback = returning("int (*)(int)", function(x)
    return x * 2
  end, { default = -1 })
  for _, call in ipairs(case.both) do
    case.gives({ 42 }, call("int (int)", callback.pointer, 21))
    case.gives({ -42 }, call("int (int)", callback.pointer, -21))
  end
end)

case.test("answer_to_eight_threads_at_once", function()
  local ran = 0
  local callback = returning("int (*)(int)", function(x)
    ran = ran + 1
    return x + 1
  end, { default = -1, timeout = 60 })
  local threads = {}
  for i = 1, 8 do
    threads[i] = case.native().start("asks", callback.pointer, 500)
  end
  for i = 1, 8 do
    case.gives({ 500, 0, 0 }, case.await(threads[i]))
  end
  case.equal(ran, 4000)
  case.counts(callback, { calls = 4000, delivered = 4000 })
end)

case.test("answer_of_every_number_type_at_its_limits", function()
  for _, row in ipairs({
    { "int8_t", -128, 127 },
    { "uint8_t", 0, 255 },
    { "int16_t", -32768, 32767 },
    { "uint16_t", 0, 65535 },
    { "int", -2 ^ 31, 2 ^ 31 - 1 },
    { "uint32_t", 0, 2 ^ 32 - 1 },
    { "int64_t", -2 ^ 53, 2 ^ 53 },
    { "uint64_t", 0, 2 ^ 53 },
    { "float", -(2 - 2 ^ -23) * 2 ^ 127, 2 ^ -149 },
    { "double", -(2 - 2 ^ -52) * 2 ^ 1023, 2 ^ -1074 },
    { "float", 1 / 0, -1 / 0 },
    { "double", 1 / 0, -1 / 0 },
    { "bool", true, false },
  }) do
    local name = row[1]
    local is_boolean = name == "bool"
    local callback = returning(("%s (*)(%s)"):format(name, name), function(x)
      return x
    end, { default = is_boolean or 3 })
    for _, call in ipairs(case.both) do
      for i = 2, 3 do
        case.gives({ row[i] }, call(("%s (%s)"):format(name, name), callback.pointer, row[i]))
      end
    end
  end
end)

case.test("answer_of_64_bits_is_exact", function()
  local native = case.native()
  local function echo(name, words, expected)
    local callback = returning(("%s (*)(%s)"):format(name, name), function(x)
      return x
    end, { default = 3 })
    for _, call in ipairs(case.both) do
      case.gives(
        { expected },
        call(("%s (%s)"):format(name, name), callback.pointer, native.integer(words))
      )
    end
  end
  echo("int64_t", "0x7fffffffffffffff", "9223372036854775807")
  echo("int64_t", "0x8000000000000000", "-9223372036854775808")
  echo("int64_t", "0x20000000000001", "9007199254740993")
  echo("uint64_t", "0x7fffffffffffffff", "9223372036854775807")
  if rawget(_G, "jit") then
    echo("uint64_t", "0xffffffffffffffff", "18446744073709551615")
  end
end)

case.test("answer_pointers", function()
  local native = case.native()
  local callback = returning("void *(*)(void *user)", function(user)
    return user
  end, { default = native.pointer(4096) })
  for _, call in ipairs(case.both) do
    case.gives(
      { native.pointer(2 ^ 46) },
      call("void *(void *)", callback.pointer, native.pointer(2 ^ 46))
    )
  end
  callback:set(function() end)
  case.equal(
    native.address(case.there("void *(void *)", callback.pointer, callback.pointer)),
    native.address(native.pointer(0))
  )
  callback:close()
  case.gives(
    { native.pointer(4096) },
    case.here("void *(void *)", callback.pointer, callback.pointer)
  )
end)

case.test("answer_wrong_types_are_told_and_give_the_default", function()
  local result
  local function handler()
    return result
  end
  local rows = {
    {
      "int (*)(int)",
      "int (int)",
      { "x", {}, true, 0.5, 2 ^ 31, -2 ^ 31 - 1, 0 / 0, 1 / 0, print },
      17,
      "int32_t",
    },
    { "uint8_t (*)(uint8_t)", "uint8_t (uint8_t)", { 300, -1, 256, "1", false }, 18, "uint8_t" },
    { "int8_t (*)(int8_t)", "int8_t (int8_t)", { 128, -129 }, 19, "int8_t" },
    { "uint16_t (*)(uint16_t)", "uint16_t (uint16_t)", { 65536, -1 }, 20, "uint16_t" },
    { "uint32_t (*)(uint32_t)", "uint32_t (uint32_t)", { 2 ^ 32, -1 }, 21, "uint32_t" },
    { "int64_t (*)(int64_t)", "int64_t (int64_t)", { 2 ^ 63, -2 ^ 64, 0.5, "1" }, 22, "int64_t" },
    { "uint64_t (*)(uint64_t)", "uint64_t (uint64_t)", { -1, 2 ^ 64, 0.5 }, 23, "uint64_t" },
    { "double (*)(double)", "double (double)", { "1", true, {} }, 24.5, "number" },
    { "float (*)(float)", "float (float)", { "1", true, {} }, 25.5, "number" },
    { "_Bool (*)(_Bool)", "bool (bool)", { 1, "true", 0 }, true, "boolean" },
  }
  for _, row in ipairs(rows) do
    local declaration, signature, wrong, default, wanted = case.unpack(row)
    local callback = returning(declaration, handler, { default = default, name = signature })
    for _, call in ipairs(case.both) do
      for _, value in ipairs(wrong) do
        result = value
        case.gives({ default }, call(signature, callback.pointer, 1))
        local message = case.told("result")[1]
        assert(message:find(signature, 1, true), message)
        case.match(message, wanted)
      end
      result = nil
      case.gives({ default }, call(signature, callback.pointer, 1))
      case.match(case.told("result")[1], "got n")
    end
    case.equal(callback:stats().errors, 2 * (#wrong + 1))
  end
end)

case.test("answer_wrong_strings_and_pointers", function()
  local result
  local text = returning("const char *(*)(int)", function()
    return result
  end, { default = "default" })
  local pointer = returning("void *(*)(void *)", function()
    return result
  end, { default = case.native().pointer(64) })
  for _, call in ipairs(case.both) do
    for _, value in ipairs({ true, {}, print }) do
      result = value
      case.gives({ "default" }, call("const char *(int)", text.pointer, 1))
      case.gives(
        { case.native().pointer(64) },
        call("void *(void *)", pointer.pointer, pointer.pointer)
      )
      case.told("result * 2")
    end
  end
end)

case.test("answer_of_a_handler_that_raises", function()
  local callback = returning("int (*)(int)", function(x)
    if x == 1 then
      error("broken", 0)
    elseif x == 2 then
      error({})
    end
    return x
  end, { default = -9, name = "raises" })
  for _, call in ipairs(case.both) do
    case.equal(call("int (int)", callback.pointer, 1), -9)
    case.equal(case.reports[1].name, "raises")
    case.match(case.reports[1].traceback, "answer.lua:%d+")
    case.match(case.told("handler")[1], "broken")
    case.equal(call("int (int)", callback.pointer, 2), -9)
    case.told("handler")
    case.equal(call("int (int)", callback.pointer, 3), 3)
  end
  case.equal(callback:stats().errors, 4)
end)

case.test("answer_of_a_void_handler_that_raises", function()
  local callback = returning("void (*)(int)", function()
    error("broken", 0)
  end)
  for _, call in ipairs(case.both) do
    call("void (int)", callback.pointer, 1)
  end
  case.drain()
  case.match(case.told("handler * 2")[2], "broken")
  case.counts(callback, { calls = 2, delivered = 2, errors = 2 })
end)

case.test("answer_default_of_every_type", function()
  local native = case.native()
  local rows = {
    { "_Bool", "bool (bool)", true, true },
    { "int8_t", "int8_t (int8_t)", -128, -128 },
    { "uint8_t", "uint8_t (uint8_t)", 255, 255 },
    { "short", "int16_t (int16_t)", -32768, -32768 },
    { "unsigned short", "uint16_t (uint16_t)", 65535, 65535 },
    { "int", "int (int)", -2 ^ 31, -2 ^ 31 },
    { "unsigned", "uint32_t (uint32_t)", 2 ^ 32 - 1, 2 ^ 32 - 1 },
    { "long", "int64_t (int64_t)", -2 ^ 53, -2 ^ 53 },
    { "size_t", "uint64_t (uint64_t)", 2 ^ 53, 2 ^ 53 },
    { "float", "float (float)", -0.25, -0.25 },
    { "double", "double (double)", 1e300, 1e300 },
    { "enum color", "int (int)", 4, 4 },
    { "void *", "void *(void *)", native.pointer(4096), native.pointer(4096) },
    { "const char *", "const char *(int)", "text", "text" },
    { "const char *", "const char *(int)", nil, nil },
  }
  for _, row in ipairs(rows) do
    local kind, signature, default, wanted = case.unpack(row, 1, 4)
    local parameter = kind == "const char *" and "int" or kind
    local declaration = ("%s (*)(%s)"):format(kind, parameter)
    -- An option that is nil is not given.
    local callback = returning(
      declaration,
      function() end,
      { default = default, timeout = default ~= nil and 1 }
    )
    callback:close()
    for _, call in ipairs(case.both) do
      case.gives(
        { n = 1, wanted },
        call(signature, callback.pointer, kind == "void *" and native.pointer(1) or 1)
      )
    end
    case.equal(callback:stats().after_close, 2)
  end
end)

case.test("answer_without_a_default_is_zero", function()
  local rows = {
    { "_Bool", "bool (bool)", false },
    { "int", "int (int)", 0 },
    { "double", "double (double)", 0 },
    { "unsigned long", "uint64_t (uint64_t)", 0 },
  }
  for _, row in ipairs(rows) do
    local declaration = ("%s (*)(%s)"):format(row[1], row[1])
    case.raises("default", returning, declaration, function() end)
    local callback = returning(declaration, function() end, { timeout = false })
    callback:close()
    for _, call in ipairs(case.both) do
      case.gives({ row[3] }, call(row[2], callback.pointer, 1))
    end
  end
end)

case.ffi("answer_integers_as_cdata", function()
  local result
  local signed = returning("int64_t (*)(int64_t)", function()
    return result
  end, { default = 5 })
  local small = returning("uint8_t (*)(uint8_t)", function()
    return result
  end, { default = 6 })
  for _, call in ipairs(case.both) do
    result = loadstring("return -2LL ^ 63")()
    case.gives({ "-9223372036854775808" }, call("int64_t (int64_t)", signed.pointer, 1))
    result = loadstring("return 200ULL")()
    case.gives({ 200 }, call("int64_t (int64_t)", signed.pointer, 1))
    case.gives({ 200 }, call("uint8_t (uint8_t)", small.pointer, 1))
    result = loadstring("return 2ULL ^ 63")()
    case.gives({ 5 }, call("int64_t (int64_t)", signed.pointer, 1))
    case.gives({ 6 }, call("uint8_t (uint8_t)", small.pointer, 1))
    case.told("result * 2")
  end
end)

case.ffi("answer_pointers_as_cdata", function()
  local ffi = require("ffi")
  local buffer = ffi.new("char[8]")
  local result
  local callback = returning("void *(*)(void *user)", function()
    return result
  end, { default = ffi.cast("void *", 8) })
  local native = case.native()
  for _, call in ipairs(case.both) do
    for _, value in ipairs({ buffer, ffi.cast("void *", buffer), ffi.cast("const int *", buffer) }) do
      result = value
      local got = call("void *(void *)", callback.pointer, callback.pointer)
      case.equal(native.address(got), native.address(ffi.cast("void *", buffer)))
    end
  end
end)

case.main()
