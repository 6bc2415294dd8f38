-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Callbacks: C function pointers whose handlers run here. Native callers are functions of the C library: pthread_create
-- calls from another thread, qsort from this one.
local spec = ...
local moonport = require("moonport")
local test, equal, match, raises, handler = spec.test, spec.equal, spec.match, spec.raises, spec.handler

local function drain()
  while moonport.step() > 0 do
  end
end

local function nothing() end

test("what cannot become a callback is refused, with the place of the mistake", function()
  raises("moonport.callback: expected a declaration in C, got nil", moonport.callback)
  raises("moonport.callback: expected a function, got nil", moonport.callback, "void (*)(void)")
  raises("moonport.callback: column 10: unknown type foo", moonport.callback, "void (*)(foo x)", nothing)
  raises("moonport.callback: column 10: parameter 1 %(x%): is it read or written%?", moonport.callback, "void (*)(int *x)", nothing)
  raises("default: needed where a result is returned", moonport.callback, "int (*)(int)", nothing)
  raises("default: expected an integer that fits uint8_t, got 300", moonport.callback, "uint8_t (*)(void)", nothing, { default = 300 })
  raises("default: expected a string, got number", moonport.callback, "const char *(*)(void)", nothing, { default = 1 })
  raises("unknown option \"speed\"", moonport.callback, "void (*)(void)", nothing, { speed = 1 })
  raises("timeout: expected a positive number", moonport.callback, "void (*)(void)", nothing, { timeout = -1 })
  raises("moonport.call: expected a function, got nil", moonport.call)
end)

test("a callback has a pointer, counts, and a place in the report", function()
  local callback = moonport.callback("void (*)(int)", nothing, { name = "spec-callback" })
  equal(type(callback.pointer), jit and "cdata" or "userdata")
  equal(callback.nothing, nil)
  local stats = callback:stats()
  equal(stats.calls + stats.delivered + stats.dropped + stats.errors + stats.timeouts + stats.after_close, 0)
  local found
  for _, entry in ipairs(moonport.report()) do
    found = found or (entry.name == "spec-callback" and entry.kind)
  end
  equal(found, "callback")
  equal(moonport.step(), 0)
  callback:close()
  callback:close()
  raises("callback:set: the callback is closed", callback.set, callback, nothing)
end)

if not jit then
  return
end

local ffi, C = require("ffi"), spec.C
-- Other Luas cannot read such numbers.
local low, high, one = loadstring("return -2LL ^ 62, 2ULL ^ 63, 1LL")()
ffi.cdef([[
typedef struct { int number; double share; const char *text; } moonport_spec_record;
typedef const char *moonport_spec_text;
struct moonport_spec_outer {
  char letter; moonport_spec_text first; struct { int x; const char *const inner; } nested; char *own;
  const uint8_t *bytes; union { const char *either; int other; } choice;
};
typedef unsigned int moonport_spec_code;
int pthread_create(uintptr_t *, const void *, void *(*)(void *), void *);
int pthread_join(uintptr_t, void **);
void qsort(void *, size_t, size_t, int (*)(const void *, const void *));
int abs(int);
]])

-- Calls the function pointer with the argument, on another thread; gives a function that waits for its result.
local function on_thread(pointer, argument)
  local thread = ffi.new("uintptr_t[1]")
  equal(C.pthread_create(thread, nil, pointer, ffi.cast("void *", argument)), 0)
  return function()
    local result = ffi.new("void *[1]")
    equal(C.pthread_join(thread[0], result), 0)
    return tonumber(ffi.cast("intptr_t", result[0]))
  end
end

local function number(pointer)
  return tonumber(ffi.cast("intptr_t", pointer))
end

test("a void callback copies its arguments, and its handler gets just them", function()
  local got
  local callback = moonport.callback("void (*)(const char *data, size_t size)", handler(function(...)
    got = { n = select("#", ...), ... }
  end))
  local memory = ffi.new("char[8]", "payload")
  callback.pointer(memory, 4)
  ffi.fill(memory, 8, 120)
  equal(got, nil)
  drain()
  equal(got.n, 2)
  equal(got[1], "payl")
  equal(got[2], 4)
  callback:close()
end)

test("numbers of every kind cross exactly", function()
  local got
  local callback = moonport.callback(
    "void (*)(_Bool, int8_t, uint8_t, short, unsigned short, int, unsigned, long long, unsigned long long, float, double, moonport_spec_code)",
    handler(function(...)
      got = { ... }
    end)
  )
  callback.pointer(true, -128, 255, -32768, 65535, -2 ^ 31, 2 ^ 32 - 1, low, high, 0.5, -1 / 3, 7)
  drain()
  local wanted = { true, -128, 255, -32768, 65535, -2 ^ 31, 2 ^ 32 - 1, low, high, 0.5, -1 / 3, 7 }
  for i = 1, 12 do
    equal(got[i], wanted[i])
  end
  callback:close()
end)

test("strings, structs, pointers and what is NULL", function()
  local got
  local callback = moonport.callback(
    "void (*)(const char *text, const moonport_spec_record *record, const short p[n], int n, void *user)",
    handler(function(...)
      got = { n = select("#", ...), ... }
    end)
  )
  local record = ffi.new("moonport_spec_record", 4, 0.25)
  callback.pointer("text", record, ffi.new("short[3]", 1, 2, 3), 3, ffi.cast("void *", 77))
  record.number = 9
  drain()
  equal(got.n, 5)
  equal(got[1], "text")
  equal(got[2].number, 4)
  equal(got[2].share, 0.25)
  equal(got[3], ffi.string(ffi.new("short[3]", 1, 2, 3), 6))
  equal(number(got[5]), 77)
  callback.pointer(nil, nil, nil, 0, nil)
  drain()
  equal(got[1], nil)
  equal(got[2], nil)
  equal(got[3], "")
  equal(got.n, 5)
  callback:close()
end)

test("the strings that a struct points to are copied with it", function()
  local got
  local callback = moonport.callback("void (*)(const struct moonport_spec_outer *)", handler(function(outer)
    got = outer
  end), { max_string = 100 })
  local memory = ffi.new("char[8]", "first")
  local outer = ffi.new("struct moonport_spec_outer", { letter = 65, first = memory, nested = { 7, "inner" }, own = memory })
  callback.pointer(outer)
  ffi.fill(memory, 5, 120)
  drain()
  collectgarbage()
  equal(got.letter, 65)
  equal(ffi.string(got.first), "first")
  equal(ffi.string(got.nested.inner), "inner")
  equal(got.nested.x, 7)
  -- Not const, not text: the pointer as it was.
  equal(got.own, ffi.cast("char *", memory))
  callback.pointer(ffi.new("struct moonport_spec_outer"))
  drain()
  equal(got.first, nil)
  equal(got.nested.inner, nil)
  local told
  moonport.on_error(function(message)
    told = message
  end)
  callback.pointer(ffi.new("struct moonport_spec_outer", { first = ("x"):rep(101) }))
  drain()
  moonport.on_error(nil)
  match(told, "parameter 1: the string at offset 8: longer than 100 bytes")
  callback:close()
end)

test("an argument that cannot be refuses that one call", function()
  local count, told = 0, {}
  local callback = moonport.callback("void (*)(const char *data, int size, const char *text)", handler(function()
    count = count + 1
  end), { max_string = 10, name = "spec-arguments" })
  moonport.on_error(function(message, details)
    told[#told + 1] = details.kind .. ": " .. message
  end)
  callback.pointer("x", -1, "")
  callback.pointer(nil, 3, "")
  callback.pointer(("x"):rep(11), 11, "")
  callback.pointer("x", 1, ("y"):rep(11))
  callback.pointer("x", 1, ("y"):rep(10))
  drain()
  moonport.on_error(nil)
  equal(count, 1)
  equal(#told, 4)
  equal(told[1], 'argument: callback "spec-arguments": a call is refused: parameter 1 (data): a length of -1')
  match(told[2], "NULL with a length of 3")
  match(told[3], "longer than 10 bytes")
  match(told[4], "parameter 3 %(text%): longer than 10 bytes")
  callback:close()
end)

test("a returning callback gives its results on this thread at once", function()
  local calls = 0
  local compare = moonport.callback("int (*)(const void *a @opaque, const void *b @opaque)", function(a, b)
    calls = calls + 1
    return ffi.cast("int *", a)[0] - ffi.cast("int *", b)[0]
  end, { default = 0 })
  local list = ffi.new("int[8]", 5, 3, 8, 1, 7, 2, 6, 4)
  C.qsort(list, 8, 4, compare.pointer)
  for i = 0, 7 do
    equal(list[i], i + 1)
  end
  equal(compare:stats().calls, calls)
  compare:close()
  equal(compare.pointer(list, list + 1), 0)
  equal(compare:stats().after_close, 1)
end)

test("results, what is written back, and strings that stay valid", function()
  local callback = moonport.callback(
    "int (*)(int *sum @out, double *share @inout, char *buffer @outbuf(size), size_t size, uint8_t *none @out)",
    function(share, size)
      return 1, 42, share * 2, ("long"):rep(size), 255
    end,
    { default = -1 }
  )
  local sum, share, buffer = ffi.new("int[1]"), ffi.new("double[1]", 1.5), ffi.new("char[8]", "........")
  equal(callback.pointer(sum, share, buffer, 6, nil), 1)
  equal(sum[0], 42)
  equal(share[0], 3)
  equal(ffi.string(buffer, 8), "longlo..")
  callback:close()
  sum[0] = 5
  equal(callback.pointer(sum, share, buffer, 6, nil), -1)
  equal(sum[0], 5)

  local text = moonport.callback("const char *(*)(int)", function(x)
    return x > 0 and "text " .. x or nil
  end, { default = "default" })
  local kept = {}
  for i = 1, 8 do
    kept[i] = text.pointer(i)
  end
  for i = 1, 8 do
    equal(ffi.string(kept[i]), "text " .. i)
  end
  equal(text.pointer(0), nil)
  text:close()
  equal(ffi.string(text.pointer(1)), "default")
end)

test("a result that does not fit is an error and the default", function()
  local told = {}
  local result
  local callback = moonport.callback("int8_t (*)(int)", function()
    return result
  end, { default = 7 })
  moonport.on_error(function(message, details)
    told[#told + 1] = details.kind .. message:match(": expected .*")
  end)
  for _, case in ipairs({ { 127, 127 }, { -128, -128 }, { 128, 7 }, { 0.5, 7 }, { "1", 7 }, { false, 7 }, { one, 1 }, { 0 / 0, 7 } }) do
    result = case[1]
    equal(callback.pointer(0), case[2])
  end
  result = nil
  equal(callback.pointer(0), 7)
  callback:set(function()
    error("broken", 0)
  end)
  moonport.on_error(function(message, details)
    told[#told + 1] = details.kind .. ": " .. message
  end)
  equal(callback.pointer(0), 7)
  moonport.on_error(nil)
  equal(#told, 7)
  equal(told[1], "result: expected an integer that fits int8_t, got 128")
  equal(told[3], "result: expected an integer that fits int8_t, got string")
  equal(told[7], "handler: broken")
  equal(callback:stats().errors, 7)
  callback:close()
end)

test("a caller on another thread waits for the handler, which may wait itself", function()
  local callback = moonport.callback("void *(*)(void *)", handler(function(argument)
    moonport.sleep(0.001)
    assert(moonport.is_owner())
    return ffi.cast("void *", number(argument) * 2)
  end), { timeout = false })
  local results = {}
  for i = 1, 4 do
    results[i] = on_thread(callback.pointer, i)
  end
  while callback:stats().delivered < 4 do
    moonport.step(1)
  end
  while moonport.step(0.05) > 0 do
  end
  for i = 1, 4 do
    equal(results[i](), 2 * i)
  end
  callback:close()
end)

test("a caller gets the default when its time is over, and at close", function()
  local ran = 0
  local late = moonport.callback("void *(*)(void *)", function()
    ran = ran + 1
  end, { default = ffi.cast("void *", 3), timeout = 0.01 })
  equal(on_thread(late.pointer, 1)(), 3)
  equal(late:stats().timeouts, 1)
  drain()
  equal(ran, 0)
  late:close()
  local waiting = moonport.callback("void *(*)(void *)", nothing, { default = ffi.cast("void *", 4), timeout = 60 })
  local result = on_thread(waiting.pointer, 1)
  while waiting:stats().calls == 0 do
  end
  waiting:close()
  equal(result(), 4)
end)

test("callbacks and ports share one order", function()
  local got = {}
  local callback = moonport.callback("void (*)(int)", function(value)
    got[#got + 1] = value
  end)
  local three = moonport.callback("void (*)(int, int, int)", function(value, _, last)
    got[#got + 1] = value + last
  end)
  local port = moonport.port():on(function(value)
    got[#got + 1] = value
  end)
  for i = 1, 300, 3 do
    callback.pointer(i)
    port:send(i + 1)
    three.pointer(i, 0, 2)
  end
  drain()
  equal(#got, 300)
  for i = 1, 300 do
    equal(got[i], i)
  end
  callback:close()
  three:close()
  port:close()
end)

test("a full callback drops the new call and counts it", function()
  local got = {}
  local callback = moonport.callback("void (*)(int)", function(value)
    got[#got + 1] = value
  end, { capacity = 2 })
  moonport.on_error(nothing)
  for i = 1, 5 do
    callback.pointer(i)
  end
  drain()
  moonport.on_error(nil)
  equal(table.concat(got, " "), "1 2")
  equal(callback:stats().dropped, 3)
  equal(callback:stats().calls, 5)
  callback:close()
end)

test("set changes the handler, ref and unref what run waits for, the destroyer closes", function()
  local got
  local callback = moonport.callback("void (*)(int)", nothing)
  callback:set(function(value)
    got = value
  end)
  callback.pointer(5)
  drain()
  equal(got, 5)
  callback:unref()
  moonport.run()
  callback:ref()
  moonport.after(0.001, function()
    callback.destroyer(nil)
  end)
  moonport.run()
  callback.pointer(6)
  drain()
  equal(got, 5)
  equal(callback:stats().after_close, 1)
end)

test("handlers nest: a callback runs in a handler of a callback", function()
  local depth, deepest = 0, 0
  local callback
  callback = moonport.callback("int (*)(int)", function(left)
    depth = depth + 1
    deepest = math.max(deepest, depth)
    local sum = left == 0 and 0 or left + callback.pointer(left - 1)
    depth = depth - 1
    return sum
  end, { default = -1000 })
  equal(callback.pointer(10), 55)
  equal(deepest, 11)
  moonport.on_error(nothing)
  assert(callback.pointer(40) < 0, "nested too deep: the default")
  equal(deepest, 16)
  drain()
  moonport.on_error(nil)
  callback:close()
end)

test("compiled loops that call back never crash, and inside moonport.call the values are right", function()
  local told = 0
  moonport.on_error(function(_, details)
    equal(details.kind, "unsafe")
    told = told + 1
  end)
  local handled = 0
  local compare = moonport.callback("int (*)(const void *a @opaque, const void *b @opaque)", function(a, b)
    handled = handled + 1
    return ffi.cast("int *", a)[0] - ffi.cast("int *", b)[0]
  end, { default = 0 })
  -- So that the loop has no function pointer to convert, which is not compiled.
  local sort = ffi.cast("void (*)(void *, size_t, size_t, void *)", C.qsort)
  local pointer, list = ffi.cast("void *", compare.pointer), ffi.new("int[2]")
  local code = [[local sort, list, pointer, count, every = ...
    local sorted = 0
    for i = 1, count do
      list[0], list[1] = 2, 1
      sort(list, i % every == 0 and 2 or 1, 4, pointer)
      sorted = sorted + list[1] - 1
    end
    return sorted]]
  for _, every in ipairs({ 1, 7, 1000 }) do
    local count = 20000
    local function loop()
      return assert(loadstring(code))(sort, list, pointer, count, every)
    end
    local before = handled
    local sorted = loop()
    equal(sorted, handled - before)
    before = handled
    equal(coroutine.wrap(loop)(), handled - before)
    equal(moonport.call(loop), math.floor(count / every))
    equal(moonport.call(coroutine.wrap(loop)), math.floor(count / every))
  end
  drain()
  assert(told <= 1, told)
  moonport.on_error(nil)
  compare:close()
end)

test("moonport.call gives results and errors as they are", function()
  local was_on = jit.status()
  local function give(...)
    return select("#", ...), ...
  end
  equal(select("#", moonport.call(give, 1, nil, nil)), 4)
  local object = {}
  local fine, raised = pcall(moonport.call, error, object)
  equal(fine, false)
  equal(raised, object)
  equal(moonport.call(moonport.call, give), 0)
  equal(moonport.call(C.abs, -3), 3)
  equal(jit.status(), was_on)
end)
