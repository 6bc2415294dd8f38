-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Hot loops that LuaJIT compiles, over C functions that call a callback on the same thread in every first, 7th or
-- 1000th iteration; three million iterations in each case. Void: nothing is lost. Returning: the right value, or the
-- default and one report; inside moonport.call and without the compiler always the right value.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local ITERATIONS, ROUNDS = 3000000, 30
local EACH = ITERATIONS / ROUNDS

local CODE = [[
  local call, from, to = ...
  for i = from, to do
    call(i)
  end
]]

-- The library with the C functions, once more through the FFI library.
local function library()
  local ffi = require("ffi")
  ffi.cdef([[
    void loop_begin(void *pointer, int n);
    void loop_post(int i);
    int loop_ask(int i);
    int loop_right(void);
    int loop_given_up(void);
    int loop_wrong(void);
  ]])
  return ffi.load(assert(package.searchpath("native", package.cpath)))
end

local function begin(callback, every)
  local lib = library()
  lib.loop_begin(require("ffi").cast("void *", callback.pointer), every)
  return lib
end

-- Tells when a trace of this function has been compiled.
local function watch(loop)
  local begun, is_compiled = {}, false
  jit.attach(function(what, number, fn)
    if what == "start" then
      begun[number] = fn == loop
    elseif what == "stop" then
      is_compiled = is_compiled or begun[number]
    end
  end, "trace")
  return function()
    return is_compiled
  end
end

local function straight(fn)
  return fn
end

-- As coroutine.wrap, again and again.
local function in_a_coroutine(fn)
  return function(...)
    return coroutine.wrap(fn)(...)
  end
end

-- Drained after every round: more than a round's calls fit into the callback's queue, so that none is dropped.
local function post(every, place)
  local last = 0
  local callback = require("moonport").callback("void (*)(int)", function(i)
    last = last + every
    if i ~= last then
      error(("expected %d, got %d"):format(last, i), 0)
    end
  end, { capacity = EACH + 1 })
  local lib = begin(callback, every)
  local fn = assert(loadstring(CODE))
  local is_compiled = watch(fn)
  local loop = place(fn)
  for round = 1, ROUNDS do
    loop(lib.loop_post, (round - 1) * EACH + 1, round * EACH)
    case.drain()
    case.equal(last, math.floor(round * EACH / every) * every)
  end
  assert(is_compiled(), "the loop was not compiled")
  local calls = math.floor(ITERATIONS / every)
  case.counts(callback, { calls = calls, delivered = calls })
end

-- Counts of right answers and of defaults.
local function ask(every, place)
  local handled = 0
  local callback = require("moonport").callback("int (*)(int)", function(i)
    handled = handled + 1
    return i + 1
  end, { default = -1, name = "asked" })
  local lib = begin(callback, every)
  place(assert(loadstring(CODE)))(lib.loop_ask, 1, ITERATIONS)
  local calls = math.floor(ITERATIONS / every)
  case.equal(lib.loop_wrong(), 0, "wrong answers")
  case.equal(lib.loop_right(), handled, "right answers")
  case.equal(lib.loop_right() + lib.loop_given_up(), calls)
  case.equal(callback:stats().calls, calls)
  case.drain()
  return lib.loop_right(), lib.loop_given_up()
end

local function ask_anyhow(every, place)
  local _, given_up = ask(every, place)
  if given_up == 0 then
    return case.told()
  end
  case.match(case.told("unsafe")[1], "moonport%.call")
end

local function ask_right(every, place)
  case.gives({ math.floor(ITERATIONS / every), 0 }, ask(every, place))
  case.told()
end

for _, where in ipairs({ { "main", straight }, { "a_coroutine", in_a_coroutine } }) do
  for _, every in ipairs({ 1, 7, 1000 }) do
    local place, suffix = where[2], ("every_%d_in_%s"):format(every, where[1])
    case.compiled("loop_posts_" .. suffix, function()
      post(every, place)
    end)
    case.compiled("loop_asks_" .. suffix, function()
      ask_anyhow(every, place)
    end)
    case.compiled("loop_asks_in_moonport_call_" .. suffix, function()
      ask_right(every, function(loop)
        return function(...)
          return require("moonport").call(place(loop), ...)
        end
      end)
    end)
    case.compiled("loop_asks_without_the_compiler_" .. suffix, function()
      jit.off()
      ask_right(every, place)
    end)
  end
end

case.compiled("loop_that_was_compiled_before", function()
  -- Hot while it does not call; then its callback is switched on.
  local callback = require("moonport").callback("int (*)(int)", function(i)
    return i + 1
  end, { default = -1 })
  local lib = begin(callback, 2 ^ 31 - 1)
  local loop = assert(loadstring(CODE))
  local is_compiled = watch(loop)
  loop(lib.loop_ask, 1, 100000)
  assert(is_compiled(), "the loop was not compiled")
  begin(callback, 1)
  loop(lib.loop_ask, 1, 100000)
  case.equal(lib.loop_wrong(), 0)
  case.equal(lib.loop_right() + lib.loop_given_up(), 100000)
  begin(callback, 1)
  require("moonport").call(loop, lib.loop_ask, 1, 100000)
  case.gives({ 100000, 0, 0 }, lib.loop_right(), lib.loop_given_up(), lib.loop_wrong())
  case.drain()
  case.reports = {}
end)

case.compiled("loop_in_a_handler", function()
  local moonport = require("moonport")
  local callback = moonport.callback("int (*)(int)", function(i)
    return i + 1
  end, { default = -1 })
  local lib = begin(callback, 3)
  local outer = moonport.callback("int (*)(int)", function(count)
    assert(loadstring(CODE))(lib.loop_ask, 1, count)
    return lib.loop_right() + lib.loop_given_up()
  end, { default = -1, timeout = 60 })
  case.equal(case.there("int (int)", outer.pointer, 300000), 100000)
  case.equal(lib.loop_wrong(), 0)
  case.drain()
  case.reports = {}
end)

case.compiled("loop_that_steps_too", function()
  -- moonport.step is a function of Lua's own: it delivers wherever it is called.
  local moonport = require("moonport")
  local count = 0
  local callback = moonport.callback("void (*)(int)", function(i)
    count = count + 1
    case.equal(i, count)
  end, { capacity = 10000 })
  local lib = begin(callback, 1)
  local step = moonport.step
  for i = 1, 500000 do
    lib.loop_post(i)
    if i % 100 == 0 then
      step()
    end
  end
  case.drain()
  case.counts(callback, { calls = 500000, delivered = 500000 })
end)

case.compiled("loop_that_calls_the_pointer_itself", function()
  local moonport = require("moonport")
  local ffi = require("ffi")
  local count = 0
  local post = moonport.callback(
    "void (*)(int number, const char *data, size_t size)",
    function(number, data, size)
      count = count + 1
      case.gives({ count, "bytes" .. string.char(count % 256), 6 }, number, data, size)
    end,
    { capacity = 100000 }
  )
  local ask = moonport.callback("double (*)(double, int)", function(x, i)
    return x + i
  end, { default = -1 })
  local bytes = ffi.new("char[6]", "bytes")
  local pointer, asking = post.pointer, ask.pointer
  local right, given_up = 0, 0
  for round = 1, 5 do
    for i = (round - 1) * 100000 + 1, round * 100000 do
      bytes[5] = i % 256
      pointer(i, bytes, 6)
      if i % 10 == 0 then
        local answer = asking(0.5, i)
        if answer == 0.5 + i then
          right = right + 1
        elseif answer == -1 then
          given_up = given_up + 1
        end
      end
    end
    case.drain()
  end
  case.gives({ 500000, 50000 }, count, right + given_up)
  if given_up > 0 then
    case.told("unsafe")
  end
end)

case.compiled("loop_with_a_hot_handler_that_fails_now_and_then", function()
  local moonport = require("moonport")
  local callback = moonport.callback("int (*)(int)", function(i)
    local sum = 0
    for k = 1, 200 do
      sum = sum + k % 3
    end
    if i % 70 == 0 then
      error("now and then", 0)
    end
    return sum == 201 and i + 1 or 0
  end, { default = -1 })
  local lib = begin(callback, 7)
  local loop = assert(loadstring(CODE))
  loop(lib.loop_ask, 1, 70000)
  case.gives({ 10000, 0 }, lib.loop_right() + lib.loop_given_up(), lib.loop_wrong())
  case.drain()
  case.reports = {}
  begin(callback, 7)
  moonport.call(loop, lib.loop_ask, 1, 70000)
  case.gives({ 9000, 1000, 0 }, lib.loop_right(), lib.loop_given_up(), lib.loop_wrong())
  case.told("handler * 1000")
end)

case.compiled("loop_that_enters_moonport_call_every_time", function()
  local moonport = require("moonport")
  local callback = moonport.callback("int (*)(int)", function(i)
    return i + 1
  end, { default = -1 })
  local lib = begin(callback, 1)
  local call, ask = moonport.call, function(i)
    return lib.loop_ask(i)
  end
  local sum = 0
  for i = 1, 30000 do
    sum = sum + call(ask, i)
  end
  case.equal(sum, 30000 * 30003 / 2)
  case.equal(lib.loop_right(), 30000)
end)

case.compiled("loop_compiler_is_as_it_was_after_moonport_call", function()
  local moonport = require("moonport")
  case.equal(moonport.call(jit.status), false)
  case.equal(jit.status(), true)
  case.equal(pcall(moonport.call, error, "broken"), false)
  case.equal(jit.status(), true)
  case.gives(
    { false, false },
    moonport.call(function()
      local inner = moonport.call(jit.status)
      return inner, (jit.status())
    end)
  )
  case.equal(jit.status(), true)
  jit.off()
  moonport.call(print)
  case.equal(jit.status(), false)
end)

case.compiled("loop_while_other_threads_ask", function()
  local moonport = require("moonport")
  local callback = moonport.callback("int (*)(int)", function(i)
    return i + 1
  end, { default = -1, timeout = 60 })
  local lib = begin(callback, 7)
  local threads = {}
  for i = 1, 3 do
    threads[i] = case.native().start("asks", callback.pointer, 300)
  end
  local loop = assert(loadstring(CODE))
  for round = 1, 50 do
    loop(lib.loop_ask, (round - 1) * 7000 + 1, round * 7000)
    moonport.step()
  end
  for i = 1, 3 do
    case.gives({ 300, 0, 0 }, case.await(threads[i]))
  end
  case.gives({ 50000, 0 }, lib.loop_right() + lib.loop_given_up(), lib.loop_wrong())
  case.drain()
  case.reports = {}
end)

case.main()
