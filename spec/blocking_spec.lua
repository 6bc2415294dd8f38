-- SPDX-License-Identifier: MIT OR Apache-2.0
-- moonport.blocking: C functions that block, called on a helper thread while this one serves callbacks.
local spec = ...
local moonport = require("moonport")
local test, equal, match, raises, handler = spec.test, spec.equal, spec.match, spec.raises, spec.handler

if not jit then
  test("without LuaJIT's FFI library it says so", function()
    raises("moonport.blocking: C functions are called through LuaJIT's FFI library", moonport.blocking, print)
  end)
  return
end

local ffi, C = require("ffi"), spec.C
ffi.cdef([[
typedef struct { int quot, rem; } moonport_spec_div;
int pthread_create(uintptr_t *, const void *, void *(*)(void *), void *);
int pthread_join(uintptr_t, void **);
void qsort(void *, size_t, size_t, int (*)(const void *, const void *));
int usleep(unsigned);
int printf(const char *, ...);
moonport_spec_div div(int, int);
double ldexp(double, int);
float fabsf(float);
long long llabs(long long);
int toupper(int);
char *getenv(const char *);
size_t strlen(const char *);
int open(const char *, int);
void *memset(void *, int, size_t);
]])

test("what cannot be called is refused with a reason", function()
  raises("moonport.blocking: expected a C function of the FFI library, got function", moonport.blocking, print)
  raises("moonport.blocking: expected a C function of the FFI library, got nil", moonport.blocking)
  raises("moonport.blocking: expected a C function, got ctype<int %[2%]>", moonport.blocking, ffi.new("int[2]"))
  raises("moonport.blocking: a function with '...' has no fixed arguments", moonport.blocking, C.printf, "x")
  raises("moonport.blocking: a result of this type cannot be carried over", moonport.blocking, C.div, 1, 2)
  raises("moonport.blocking: expected 1 arguments, got 2", moonport.blocking, C.toupper, 1, 2)
  raises("moonport.blocking: argument 1: cannot convert 'string' to 'int", moonport.blocking, C.toupper, "a")
  raises("moonport.blocking: argument 1: cannot convert 'string' to 'void %*'", moonport.blocking, C.memset, "a", 1, 1)
end)

test("arguments and results are converted as the FFI library does", function()
  equal(moonport.blocking(C.toupper, 97), 65)
  equal(moonport.blocking(C.ldexp, 0.75, 4), 12)
  equal(moonport.blocking(C.fabsf, -0.5), 0.5)
  equal(moonport.blocking(C.llabs, -2 ^ 53), C.llabs(-2 ^ 53))
  equal(tonumber(moonport.blocking(C.strlen, "four")), 4)
  equal(ffi.string(moonport.blocking(C.getenv, "PATH")), os.getenv("PATH"))
  equal(moonport.blocking(C.getenv, "no such variable"), nil)
  local memory = ffi.new("char[4]")
  equal(ffi.cast("char *", moonport.blocking(C.memset, memory, 120, 3)), memory + 0)
  equal(ffi.string(memory), "xxx")
  local nothing = ffi.cast("void (*)(void *, size_t, size_t, void *)", C.qsort)
  equal(select("#", moonport.blocking(nothing, nil, 0, 4, nil)), 0)
end)

test("errno is the function's", function()
  equal(moonport.blocking(C.open, "/no/such/file", 0), -1)
  equal(ffi.errno(), 2)
end)

test("callbacks are served meanwhile, on this thread", function()
  local threads = {}
  local compare = moonport.callback("int (*)(const void *a @opaque, const void *b @opaque)", function(a, b)
    assert(moonport.is_owner())
    threads[#threads + 1] = true
    return ffi.cast("int *", a)[0] - ffi.cast("int *", b)[0]
  end, { default = 0 })
  local list = ffi.new("int[8]", 5, 3, 8, 1, 7, 2, 6, 4)
  moonport.blocking(C.qsort, list, 8, 4, compare.pointer)
  for i = 0, 7 do
    equal(list[i], i + 1)
  end
  equal(compare:stats().delivered, #threads)
  equal(compare:stats().timeouts, 0)
  compare:close()
end)

test("a thread is joined that waits for a handler of ours", function()
  local callback = moonport.callback("void *(*)(void *)", handler(function(x)
    return ffi.cast("void *", tonumber(ffi.cast("intptr_t", x)) + 1)
  end), { timeout = false })
  local thread, result = ffi.new("uintptr_t[1]"), ffi.new("void *[1]")
  equal(C.pthread_create(thread, nil, callback.pointer, ffi.cast("void *", 41)), 0)
  equal(moonport.blocking(C.pthread_join, thread[0], result), 0)
  equal(tonumber(ffi.cast("intptr_t", result[0])), 42)
  callback:close()
end)

test("a handler that waits before it answers goes on meanwhile, and so does one that waits for a message", function()
  local port = moonport.port({ ref = false })
  local callback = moonport.callback("void *(*)(void *)", handler(function(x)
    moonport.sleep(0.01)
    moonport.after(0.01, function()
      port:send("late")
    end)
    local _, value = port:receive(10)
    return ffi.cast("void *", value == "late" and 1 or 0)
  end), { timeout = false })
  local thread, result = ffi.new("uintptr_t[1]"), ffi.new("void *[1]")
  equal(C.pthread_create(thread, nil, callback.pointer, nil), 0)
  equal(moonport.blocking(C.pthread_join, thread[0], result), 0)
  equal(tonumber(ffi.cast("intptr_t", result[0])), 1)
  callback:close()
  port:close()
end)

test("a handler that owes an answer is reached behind more than one turn's messages", function()
  local noise = moonport.port({ ref = false }):on(function() end)
  local late = moonport.port({ ref = false })
  local callback = moonport.callback("void *(*)(void *)", handler(function()
    local _, value = late:receive(10)
    return ffi.cast("void *", value == "late" and 1 or 0)
  end), { default = moonport.null, timeout = 20 })
  local thread, result = ffi.new("uintptr_t[1]"), ffi.new("void *[1]")
  equal(C.pthread_create(thread, nil, callback.pointer, nil), 0)
  while callback:stats().delivered < 1 do
    moonport.step(1)
  end
  for i = 1, 2000 do
    noise:send(i)
  end
  late:send("late")
  equal(moonport.blocking(C.pthread_join, thread[0], result), 0)
  equal(tonumber(ffi.cast("intptr_t", result[0])), 1)
  callback:close()
  noise:close()
  late:close()
end)

test("callers that wait for room get it", function()
  local got = 0
  local void = moonport.callback("void (*)(const void *a @opaque, const void *b @opaque)", handler(function()
    got = got + 1
  end), { capacity = 2, overflow = "block", timeout = false })
  -- It calls back many times, and what it is given in return does not matter.
  local sort = ffi.cast("void (*)(void *, size_t, size_t, void *)", C.qsort)
  local pointer = ffi.cast("void *", void.pointer)
  moonport.blocking(sort, ffi.new("int[64]"), 64, 4, pointer)
  while moonport.step() > 0 do
  end
  equal(void:stats().dropped, 0)
  equal(void:stats().calls, got)
  assert(got > 60, got)
  void:close()
end)

test("it may be called inside handlers, and inside each other", function()
  local got
  moonport.spawn(function()
    got = moonport.blocking(C.toupper, 98)
  end)
  equal(got, 66)
  local outer
  outer = moonport.callback("int (*)(const void *a @opaque, const void *b @opaque)", handler(function()
    return moonport.blocking(C.toupper, 99) - 67
  end), { default = -1 })
  local pair = ffi.new("int[2]", 1, 2)
  moonport.blocking(C.qsort, pair, 2, 4, outer.pointer)
  equal(outer:stats().errors, 0)
  equal(outer:stats().delivered, 1)
  outer:close()
end)

test("a caller that waits for long says so, and on_error hears of it", function()
  local told = {}
  moonport.on_error(function(message, details)
    told[#told + 1] = details.kind .. " " .. details.name .. ": " .. message
  end)
  local callback = moonport.callback("void *(*)(void *)", handler(function(x)
    return x
  end), { timeout = 30, default = moonport.null, name = "spec-watch" })
  local port = moonport.port({ name = "spec-busy" }):on(handler(function()
    C.usleep(2200000)
  end))
  port:send(1)
  local thread, result = ffi.new("uintptr_t[1]"), ffi.new("void *[1]")
  equal(C.pthread_create(thread, nil, callback.pointer, ffi.cast("void *", 7)), 0)
  while callback:stats().delivered < 1 or #told < 1 do
    moonport.step(1)
  end
  moonport.blocking(C.pthread_join, thread[0], result)
  moonport.on_error(nil)
  equal(tonumber(ffi.cast("intptr_t", result[0])), 7)
  equal(#told, 1)
  match(told[1], '^watch spec%-watch: the thread ".*" %(%d+%) has waited 2 s for the callback "spec%-watch" void %* %(%*%)%(void %*%) made at ')
  match(told[1], 'blocking_spec.lua:%d+; Lua runs the handler of the port "spec%-busy"$')
  callback:close()
  port:close()
end)
