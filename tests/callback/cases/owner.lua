-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Returning callbacks called on the thread that runs Lua: the handler runs at once, wherever that call comes from.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local function asked(handler, options)
  options = options or {}
  options.default = options.default or -1
  return require("moonport").callback("int (*)(int)", handler, options)
end

local function plus_one(x)
  return x + 1
end

case.test("owner_handler_runs_at_once", function()
  local ran = 0
  local callback = asked(function(x)
    ran = ran + 1
    assert(require("moonport").is_owner())
    return x + 1
  end)
  for i = 1, 100 do
    case.gives({ i + 1 }, case.here("int (int)", callback.pointer, i))
    case.equal(ran, i)
  end
  case.equal(require("moonport").step(), 0)
end)

case.test("owner_handler_runs_before_what_is_queued", function()
  local posted = {}
  local post = require("moonport").callback("void (*)(int)", function(x)
    posted[#posted + 1] = x
  end)
  local ask = asked(function()
    return #posted
  end)
  case.here("void (int)", post.pointer, 1)
  case.gives({ 0 }, case.here("int (int)", ask.pointer, 1))
  case.drain()
  case.gives({ 1 }, case.here("int (int)", ask.pointer, 1))
end)

case.test("owner_arguments_and_results_of_every_kind", function()
  local callback = require("moonport").callback(
    "int (*)(int *sum @out, double *share @inout, char *buffer @outbuf(size), size_t size)",
    function(share, size)
      return 1, 2, share + 1, ("x"):rep(size)
    end,
    { default = -1 }
  )
  case.gives(
    { 1, 2, 1.5, "xxxxx..........." },
    case.here("int (int *, double *, char *, size_t)", callback.pointer, 0.5, 5)
  )
  local text = require("moonport").callback("int (*)(const char *data, size_t size)", function(data)
    return data == "a\0b" and 3 or 4
  end, { default = -1 })
  case.gives({ 3 }, case.here("int (const char *, size_t)", text.pointer, "a\0b"))
end)

case.test("owner_error_stays_in_the_handler", function()
  local callback = asked(function(x)
    if x == 1 then
      error("broken", 0)
    end
    return x
  end)
  local results = case.pack(pcall(case.here, "int (int)", callback.pointer, 1))
  case.gives({ true, -1 }, case.unpack(results, 1, results.n))
  case.match(case.told("handler")[1], "broken")
  case.gives({ 2 }, case.here("int (int)", callback.pointer, 2))
end)

case.test("owner_handler_that_waits_gives_the_default_and_goes_on", function()
  local moonport, native = require("moonport"), case.native()
  local finished = 0
  local callback = moonport.callback("int (*)(int *cell @out)", function()
    moonport.sleep(0.01)
    finished = finished + 1
    return 5, 99
  end, { default = -1 })
  local writes = moonport.callback(
    "int (*)(int *a @out, double *b @inout, char *c @outbuf(n), size_t n)",
    function()
      moonport.sleep(0.01)
      finished = finished + 1
      return 5, 99, 1, "text"
    end,
    { default = -1 }
  )
  case.gives(
    { -1, -5, 0.5, "................" },
    case.here("int (int *, double *, char *, size_t)", writes.pointer, 0.5, 16)
  )
  native.open_gate()
  case.gives({ -1, 1, 7 }, case.here("late", callback.pointer))
  case.step_until(function()
    return finished == 2
  end)
  case.reports = {}
end)

case.test("owner_error_in_on_error", function()
  local told = 0
  local callback = asked(function()
    error("broken", 0)
  end)
  require("moonport").on_error(function()
    told = told + 1
    error("broken too", 0)
  end)
  -- It says so on stderr.
  for _, call in ipairs(case.both) do
    case.gives({ -1 }, call("int (int)", callback.pointer, 1))
  end
  case.equal(told, 2)
end)

case.test("owner_in_a_coroutine", function()
  local callback = asked(plus_one)
  local results = {}
  for i = 1, 100 do
    local resume = coroutine.wrap(function()
      results[#results + 1] = case.here("int (int)", callback.pointer, i)
      coroutine.yield()
      results[#results + 1] = case.here("int (int)", callback.pointer, -i)
    end)
    resume()
    resume()
  end
  collectgarbage()
  for i = 1, 100 do
    case.gives({ i + 1, 1 - i }, results[2 * i - 1], results[2 * i])
  end
end)

case.test("owner_callback_made_in_a_coroutine_that_is_gone", function()
  local callback = coroutine.wrap(function()
    return asked(function(x)
      return coroutine.wrap(plus_one)(x)
    end)
  end)()
  collectgarbage()
  collectgarbage()
  for _, call in ipairs(case.both) do
    case.gives({ 8 }, call("int (int)", callback.pointer, 7))
  end
end)

case.test("owner_inside_moonport_call", function()
  local moonport = require("moonport")
  local callback = asked(plus_one)
  case.gives(
    { 6, "kept", 3 },
    moonport.call(function(...)
      return case.here("int (int)", callback.pointer, 5), "kept", select("#", ...)
    end, 1, nil, nil)
  )
  case.gives({ 8 }, moonport.call(moonport.call, case.here, "int (int)", callback.pointer, 7))
  local thrown = {}
  local results = case.pack(pcall(moonport.call, error, thrown))
  case.gives({ false, thrown }, case.unpack(results, 1, results.n))
end)

case.test("owner_sorts_with_qsort", function()
  local native = case.native()
  local calls = 0
  local compare = require("moonport").callback(
    "int (*)(const void *a @opaque, const void *b @opaque)",
    function(a, b)
      calls = calls + 1
      return native.int_at(a) - native.int_at(b)
    end,
    { default = 0 }
  )
  case.gives(
    { -4, 0, 1, 2, 3, 5, 8, 9 },
    case.here("sort", compare.pointer, 5, 3, 8, -4, 0, 2, 9, 1)
  )
  case.gives({ 1, 2, 3 }, require("moonport").call(case.here, "sort", compare.pointer, 3, 2, 1))
  assert(calls > 0)
  case.equal(compare:stats().calls, calls)
end)

case.ffi("owner_sorts_with_qsort_of_the_ffi_library", function()
  local ffi = require("ffi")
  local moonport = require("moonport")
  ffi.cdef("void qsort(void *, size_t, size_t, int (*)(const void *, const void *));")
  local calls = 0
  local compare = moonport.callback(
    "int (*)(const void *a @opaque, const void *b @opaque)",
    function(a, b)
      calls = calls + 1
      return ffi.cast("const int *", a)[0] - ffi.cast("const int *", b)[0]
    end,
    { default = 0 }
  )
  local list = ffi.new("int[200]")
  for round = 1, 20 do
    for i = 0, 199 do
      list[i] = (i * 73 + round) % 200
    end
    moonport.call(function()
      ffi.C.qsort(list, 200, 4, compare.pointer)
    end)
    for i = 0, 199 do
      case.equal(list[i], i)
    end
  end
  assert(calls > 20 * 200)
  case.equal(compare:stats().calls, calls)
end)

case.test("owner_in_a_finaliser_of_a_userdata", function()
  local native = case.native()
  local ran = 0
  local callback = asked(function(x)
    ran = ran + 1
    return x + 1
  end)
  for _ = 1, 20 do
    native.finaliser("int (int)", callback.pointer, 5)
  end
  collectgarbage()
  collectgarbage()
  case.gives({ 20, 6 }, native.finalised_results())
  case.equal(ran, 20)
end)

case.test("owner_void_call_in_a_finaliser", function()
  local native = case.native()
  local callback, got = case.recorded("void (*)(int)")
  for _ = 1, 20 do
    native.finaliser("void (int)", callback.pointer, 5)
  end
  collectgarbage()
  collectgarbage()
  case.gives({ 20 }, native.finalised_results())
  case.equal(#got, 0)
  case.drain()
  case.equal(#got, 20)
end)

case.test("owner_in_finalisers_while_garbage_is_made", function()
  local native = case.native()
  local ran = 0
  local callback = asked(function(x)
    ran = ran + 1
    local garbage = {}
    for i = 1, 10 do
      garbage[i] = { x .. i }
    end
    return x + 1
  end)
  local count = 300
  for _ = 1, count do
    native.finaliser("int (int)", callback.pointer, 5)
  end
  local kept
  for i = 1, 300000 do
    kept = { i, kept and kept[1] }
  end
  case.equal(kept[1], 300000)
  collectgarbage()
  collectgarbage()
  -- Where Lua could not be entered, the default was given.
  local finalised, last = native.finalised_results()
  case.equal(finalised, count)
  assert(last == 6 or last == -1, last)
  local stats = callback:stats()
  case.equal(stats.calls, count)
  case.drain()
  assert(ran == count or #case.reports == 1, ran)
  case.reports = {}
end)

case.ffi("owner_in_a_finaliser_of_the_ffi_library", function()
  local ffi = require("ffi")
  local results = {}
  local callback = asked(plus_one)
  for i = 1, 20 do
    ffi.gc(ffi.new("int[1]"), function()
      results[#results + 1] = case.here("int (int)", callback.pointer, i)
    end)
  end
  collectgarbage()
  collectgarbage()
  case.equal(#results, 20)
  table.sort(results)
  for i = 1, 20 do
    case.equal(results[i], i + 1)
  end
end)

case.test("owner_in_a_debug_hook", function()
  local callback = asked(plus_one)
  local result
  debug.sethook(function()
    debug.sethook()
    result = case.here("int (int)", callback.pointer, 5)
  end, "", 100)
  -- Not a hot loop: LuaJIT calls no hook from compiled code.
  for i = 1, 40 do
    assert(tostring(i))
    assert(tonumber("1"))
  end
  case.equal(result, 6)
end)

case.main()
