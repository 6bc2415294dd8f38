-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What returning callbacks write into their caller's memory, and strings that they return.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local WRITES =
  "int (*)(int *sum @out, double *share @inout, char *buffer @outbuf(size), size_t size)"
local WRITES_C = "int (int *, double *, char *, size_t)"

local function returning(declaration, handler, options)
  return require("moonport").callback(declaration, handler, options)
end

case.test("written_back", function()
  local callback = returning(WRITES, function(share, size)
    return 1, 42, share * 2, ("long"):rep(size), "one too many"
  end, { default = -1 })
  for _, call in ipairs(case.both) do
    case.gives({ 1, 42, 3, "longlo.........." }, call(WRITES_C, callback.pointer, 1.5, 6))
    -- A capacity of 0, a text as long as the capacity, a shorter one: never a NUL.
    case.gives({ 1, 42, -1, "................" }, call(WRITES_C, callback.pointer, -0.5, 0))
    case.gives({ 1, 42, 0, "longlonglonglong" }, call(WRITES_C, callback.pointer, 0, 16))
  end
  callback:set(function()
    return 2, -3, 0.25, "ab\0c"
  end)
  for _, call in ipairs(case.both) do
    case.gives({ 2, -3, 0.25, "ab\0c............" }, call(WRITES_C, callback.pointer, 1, 16))
  end
end)

case.test("written_to_a_buffer_of_a_signed_size", function()
  local callback = returning("int (*)(char *buffer @outbuf(size), int size)", function(size)
    return size, "text"
  end, { default = -99 })
  for _, call in ipairs(case.both) do
    case.gives({ 8, "....text........" }, call("int (char *, int)", callback.pointer, 8))
    case.gives({ 3, "....tex........." }, call("int (char *, int)", callback.pointer, 3))
    case.gives({ 0, "................" }, call("int (char *, int)", callback.pointer, 0))
    -- Whatever becomes of the call, nothing is written.
    local _, buffer = call("int (char *, int)", callback.pointer, -1)
    case.equal(buffer, "................")
  end
  case.drain()
  case.reports = {}
end)

case.test("written_to_null_is_no_write", function()
  local ran = 0
  local callback = returning(WRITES, function(share, size)
    ran = ran + 1
    case.gives({ n = 2, nil, 8 }, share, size)
    return 5, 42, 1, "text"
  end, { default = -1 })
  for _, call in ipairs(case.both) do
    case.gives({ 5 }, call(WRITES_C .. ", NULL", callback.pointer, 8))
  end
  case.equal(ran, 2)
end)

case.test("written_nothing_by_a_default", function()
  local callback = returning(WRITES, function()
    error("broken", 0)
  end, { default = -1 })
  local untouched = { -1, -5, 1.5, "................" }
  for _, call in ipairs(case.both) do
    case.gives(untouched, call(WRITES_C, callback.pointer, 1.5, 16))
    case.told("handler")
  end
  callback:set(function()
    return 1, 2, 3
  end)
  for _, call in ipairs(case.both) do
    case.gives(untouched, call(WRITES_C, callback.pointer, 1.5, 16))
    case.match(case.told("result")[1], "string")
  end
  callback:set(function()
    return 1, "2", 3, "text"
  end)
  for _, call in ipairs(case.both) do
    case.gives(untouched, call(WRITES_C, callback.pointer, 1.5, 16))
    case.told("result")
  end
  callback:close()
  for _, call in ipairs(case.both) do
    case.gives(untouched, call(WRITES_C, callback.pointer, 1.5, 16))
  end
end)

case.test("written_to_small_targets_leaves_what_is_beside", function()
  local callback = returning("void (*)(uint8_t *a @out, _Bool *b @out, float *c @out)", function()
    return 255, true, -0.5
  end)
  for _, call in ipairs(case.both) do
    case.gives(
      { 9, 255, 9, false, true, false, 1, -0.5, 1 },
      call("void (uint8_t *, bool *, float *)", callback.pointer)
    )
  end
  callback:set(function()
    return 256, true, 1
  end)
  case.gives(
    { 9, 9, 9, false, false, false, 1, 1, 1 },
    case.there("void (uint8_t *, bool *, float *)", callback.pointer)
  )
  case.told("result")
end)

case.test("written_strings_stay_until_the_eighth_next_call", function()
  local callback = returning("const char *(*)(int)", function(x)
    return "text " .. x
  end, { default = "default" })
  for _, call in ipairs(case.both) do
    local wanted = {}
    for i = 1, 8 do
      wanted[i] = "text " .. 12 + i
    end
    case.gives(wanted, call("strings", callback.pointer, 20, false))
  end
end)

case.test("written_strings_are_each_threads_own", function()
  local callback = returning("const char *(*)(int)", function(x)
    return "text " .. x
  end, { default = "default" })
  local native = case.native()
  local first = native.start("strings", callback.pointer, 8, true)
  case.step_until(function()
    return callback:stats().calls == 8
  end)
  for _, call in ipairs(case.both) do
    call("strings", callback.pointer, 30, false)
  end
  native.open_gate()
  local wanted = {}
  for i = 1, 8 do
    wanted[i] = "text " .. i
  end
  case.gives(wanted, case.await(first))
end)

case.test("written_strings_end_at_a_nul_and_nil_is_null", function()
  local result
  local callback = returning("const char *(*)(int)", function()
    return result
  end, { default = "default" })
  for _, call in ipairs(case.both) do
    result = ""
    case.gives({ "" }, call("const char *(int)", callback.pointer, 1))
    result = nil
    case.gives({ n = 1, nil }, call("const char *(int)", callback.pointer, 1))
    result = ("x"):rep(100000)
    case.gives({ result }, call("const char *(int)", callback.pointer, 1))
    result = "up to\0not this"
    case.gives({ "up to" }, call("const char *(int)", callback.pointer, 1))
  end
  callback:close()
  case.gives({ "default" }, case.here("const char *(int)", callback.pointer, 1))
end)

case.test("written_strings_that_the_caller_frees", function()
  local callback = returning("char *(*)(int) @malloc", function(x)
    return x > 0 and ("m"):rep(x) or nil
  end, { default = "default" })
  for _, call in ipairs(case.both) do
    for _, size in ipairs({ 1, 7, 8, 1000, 100000 }) do
      case.gives({ ("m"):rep(size) }, call("char *(int), freed", callback.pointer, size))
    end
    case.gives({ n = 1, nil }, call("char *(int), freed", callback.pointer, 0))
  end
  callback:close()
  -- The default too is the caller's.
  case.gives({ "default" }, case.here("char *(int), freed", callback.pointer, 1))
  case.gives({ "default" }, case.here("char *(int), freed", callback.pointer, 1))
end)

case.test("written_static_strings_stay", function()
  local callback = returning("const char *(*)(int) /* @static */", function(x)
    return "static " .. x
  end, { default = "default" })
  local wanted = {}
  for i = 1, 16 do
    wanted[i] = "static " .. i
  end
  for _, call in ipairs(case.both) do
    case.gives(wanted, call("all strings", callback.pointer, 16))
  end
end)

case.main()
