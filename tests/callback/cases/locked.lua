-- SPDX-License-Identifier: MIT OR Apache-2.0
-- mode = "locked": the calling thread runs the handler itself while Lua's own thread waits. What it may do, what it is told
-- not to do, and what becomes of a call that does not get the lock.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local function locked(handler, options)
  options = options or {}
  options.mode = "locked"
  options.default = options.default or -1
  return assert(require("moonport").callback("int (*)(int)", handler, options))
end

local function plus_one(x)
  return x + 1
end

case.test("locked_runs_on_the_calling_thread", function()
  local moonport = require("moonport")
  local owners = {}
  local callback = locked(function(x)
    owners[#owners + 1] = moonport.is_owner()
    return x + 1
  end)
  case.gives({ 2 }, case.there("int (int)", callback.pointer, 1))
  -- At once here, without a turn.
  case.gives({ 3 }, case.here("int (int)", callback.pointer, 2))
  case.gives({ 4 }, case.there("int (int)", callback.pointer, 3))
  case.arrived({ case.pack(case.unpack(owners)) }, { false, true, false })
  case.counts(callback, { calls = 3, delivered = 3 })
end)

case.test("locked_void_and_memory_of_the_callers", function()
  local native = case.native()
  local callback = require("moonport").callback("void (*)(int *cell @opaque)", function(cell)
    native.write_int(cell, native.int_at(cell) + 1)
  end, { mode = "locked" })
  for _, make in ipairs(case.both) do
    case.gives({ 42 }, make("void (int *)", callback.pointer, 41))
  end
end)

case.test("locked_while_run_sleeps", function()
  local moonport, native = require("moonport"), case.native()
  local seen = 0
  local callback = locked(function(x)
    seen = seen + 1
    -- What wakes a sleeping owner: a timer, a message, and stop.
    if x == 1 then
      moonport.after(0, function()
        assert(moonport.is_owner())
        moonport.sleep(0.001)
        seen = seen + 10
      end)
    elseif x == 2 then
      moonport.stop()
    end
    return x + 1
  end)
  local thread = native.start("int (int)", callback.pointer, 1)
  moonport.after(20, function()
    error("nothing has stopped the loop")
  end)
  local second
  local watch = moonport.every(0.001, function()
    if seen == 11 and not second then
      second = native.start("int (int)", callback.pointer, 2)
    end
  end)
  moonport.run()
  watch:cancel()
  case.equal(thread:join(), 2)
  case.equal(second:join(), 3)
  case.equal(seen, 12)
end)

case.test("locked_closing_the_last_callback_ends_run", function()
  local moonport, native = require("moonport"), case.native()
  local callback
  callback = locked(function(x)
    callback:close()
    callback:close()
    return x + 1
  end)
  local thread = native.start("int (int)", callback.pointer, 1)
  moonport.run()
  case.equal(thread:join(), 2)
  case.gives({ -1 }, case.here("int (int)", callback.pointer, 5))
  case.gives({ -1 }, case.there("int (int)", callback.pointer, 5))
  case.equal(callback:stats().after_close, 2)
end)

case.test("locked_gives_the_default_when_lua_does_not_wait", function()
  local native = case.native()
  local callback = locked(plus_one, { timeout = 0.1 })
  case.gives({ -1 }, native.start("int (int)", callback.pointer, 1):join())
  case.equal(callback:stats().timeouts, 1)
  case.gives({ 3 }, case.there("int (int)", callback.pointer, 2))
  case.counts(callback, { calls = 2, delivered = 1, timeouts = 1 })
end)

case.test("locked_a_busy_owner_lets_callers_in_between_its_turns", function()
  local moonport, native = require("moonport"), case.native()
  local callback = locked(plus_one, { timeout = 20 })
  local port = moonport.port()
  local thread
  -- There is always something to deliver: the owner never sleeps.
  port:on(function()
    port:send("on")
    thread = thread or native.start("asks", callback.pointer, 100)
    if thread:is_done() then
      moonport.stop()
    end
  end)
  port:send("on")
  moonport.run()
  case.gives({ 100, 0, 0 }, thread:join())
end)

case.test("locked_callers_in_a_loop_let_the_owner_in", function()
  local moonport, native = require("moonport"), case.native()
  local callback = locked(plus_one)
  local threads = {}
  for i = 1, 3 do
    threads[i] = native.start("asks", callback.pointer, 20000)
  end
  local ticks = 0
  local port = moonport.port()
  port:on(function()
    ticks = ticks + 1
    port:send("tick")
  end)
  port:send("tick")
  for i = 1, 3 do
    case.await(threads[i])
  end
  assert(ticks > 3, ticks)
  case.counts(callback, { calls = 60000, delivered = 60000 })
end)

case.test("locked_errors_are_told_and_give_the_default", function()
  local moonport = require("moonport")
  local handlers = {
    function()
      error("deliberate")
    end,
    function()
      return "x"
    end,
    function()
      coroutine.yield()
      return 1
    end,
  }
  for _, make in ipairs(case.both) do
    local callback = locked(plus_one, { name = "spoiled" })
    for _, handler in ipairs(handlers) do
      callback:set(handler)
      case.gives({ -1 }, make("int (int)", callback.pointer, 1))
    end
    case.drain()
    assert(case.reports[1].traceback:find("locked.lua", 1, true) and case.reports[1].name == "spoiled")
    local messages = case.told("handler", "result", "handler")
    case.match(messages[1], "deliberate")
    case.match(messages[2], "result 1: expected an integer that fits int32_t, got string")
    case.match(messages[3], "may not wait")
    case.counts(callback, { calls = 3, delivered = 3, errors = 3 })
    callback:set(plus_one)
    case.gives({ 8 }, make("int (int)", callback.pointer, 7))
    callback:close()
  end
  assert(moonport.is_owner())
end)

-- What a handler was told when it wanted to wait, or what only Lua's own thread can do.
case.test("locked_handlers_are_told_what_they_may_not_do", function()
  local moonport = require("moonport")
  local port = moonport.port({ name = "own", capacity = 1 })
  local names
  local function last(...)
    return (select(3, ...))
  end
  local callback = locked(function()
    names = {
      last(moonport.sleep(1)),
      last(port:receive(1)),
      last(moonport.connect("own"):call("x")),
    }
    if not moonport.is_owner() then
      port:send(1)
      local others = {
        last(port:send(2, { timeout = 5 })),
        last(moonport.run()),
        last(moonport.step()),
        last(moonport.step(1)),
        last(moonport.descriptor()),
        last(moonport.attach("glib")),
        last(moonport.spawn(function() end)),
        last(moonport.shutdown()),
        last(moonport.http({}):start()),
        last(port:close({ drain = true })),
      }
      names[#names + 1] = table.remove(others, 1)
      for i = 1, 9 do
        case.equal(others[i], "wrong_thread", "function " .. i)
      end
      case.equal(#others, 9)
    end
    return #names
  end)
  case.gives({ 3 }, case.here("int (int)", callback.pointer, 1))
  case.gives({ 4 }, case.there("int (int)", callback.pointer, 1))
  for i = 1, 4 do
    case.equal(names[i], "would_deadlock")
  end
  case.equal(select(2, port:receive()), 1)
end)

case.test("locked_handlers_may_do_the_rest", function()
  local moonport = require("moonport")
  local heard, got = {}, {}
  local port = moonport.port()
  local waiting, ended
  moonport.spawn(function()
    waiting = moonport.port()
    ended = case.pack(waiting:receive(10))
    assert(moonport.is_owner())
  end)
  local callback = locked(function(x)
    local fresh = moonport.port({ name = "made in a locked handler" })
    fresh:on(function(value)
      assert(moonport.is_owner())
      got[#got + 1] = value
    end)
    assert(fresh:send({ x, "text", moonport.null }) and port:send(x))
    heard = { moonport.json.encode({ x }), select(2, port:receive()), fresh:stats().waiting, #moonport.report() }
    collectgarbage()
    -- The function that waits for its message hears of this on Lua's own thread.
    waiting:close()
    return x
  end)
  case.gives({ 5 }, case.there("int (int)", callback.pointer, 5))
  case.step_until(function()
    return #got == 1 and ended
  end)
  case.arrived({ case.pack(heard[1], heard[2], heard[3]) }, { "[5]", 5, 1 })
  case.equal(ended[3], "closed")
  assert(got[1][1] == 5 and got[1][2] == "text" and heard[4] >= 4)
end)

-- 64 KiB of stack are enough for ordinary code.
case.test("locked_on_a_small_stack", function()
  local native = case.native()
  local callback = locked(function(x)
    local words = {}
    for i = 1, 200 do
      words[i] = ("%5d %s"):format(i, ("%q"):format(("text"):rep(i)))
    end
    local text = table.concat(words, " "):gsub("%d+", function(number)
      return tonumber(number) % 2 == 0 and "even" or number
    end)
    assert(text:find("even", 1, true))
    assert(not pcall(error, "caught"))
    require("moonport").json.encode(words)
    collectgarbage()
    return x + 1
  end)
  for i = 1, 50 do
    local answer, used = case.await(native.start_small("int (int)", callback.pointer, i))
    case.equal(answer, i + 1)
    if os.getenv("CASE_VERBOSE") and i == 50 then
      io.stderr:write(used, " bytes of stack\n")
    end
  end
end)

case.test("locked_calls_inside_a_handler_run_at_once", function()
  local inner = locked(plus_one)
  local asked = require("moonport").callback("int (*)(int)", plus_one, { default = -7, name = "queued" })
  local posted, got = case.recorded("void (*)(int)")
  local outer = locked(function(x)
    case.here("void (int)", posted.pointer, x)
    return 1000 * case.here("int (int)", inner.pointer, x) + case.here("int (int)", asked.pointer, x)
  end)
  -- Lua's own thread answers the queued one; another thread, which holds the lock, would wait for it in vain.
  case.gives({ 6006 }, case.here("int (int)", outer.pointer, 5))
  case.gives({ 6000 - 7 }, case.there("int (int)", outer.pointer, 5))
  case.drain()
  case.arrived(got, { 5 }, { 5 })
  case.match(case.told("unsafe")[1], "queued.*would_deadlock")
end)

case.test("locked_nesting_ends_at_sixteen", function()
  local callback
  callback = locked(function(depth)
    return depth == 100 and 0 or 1 + case.here("int (int)", callback.pointer, depth + 1)
  end)
  for _, make in ipairs(case.both) do
    case.gives({ 15 }, make("int (int)", callback.pointer, 1))
  end
  case.drain()
  case.told("unsafe")
end)

case.test("locked_too_long_is_told", function()
  local moonport, native = require("moonport"), case.native()
  local port = moonport.port()
  local callback = locked(function(x)
    -- Lua's own thread, which this wakes, has to wait from here on.
    port:send("on")
    native.rest(2.3)
    return x + 1
  end)
  port:on(function() end)
  case.gives({ 2 }, case.there("int (int)", callback.pointer, 1))
  case.step_until(function()
    return #case.reports > 0
  end)
  case.match(case.told("watch")[1], "has waited 2 s for Lua's lock; Lua runs the handler of the callback int")
end)

case.test("locked_in_a_forked_child_gives_the_default_at_once", function()
  local native = case.native()
  local callback = locked(plus_one, { default = 11, timeout = false })
  case.equal(
    native.in_a_fork(function()
      case.gives({ 11 }, native.call("int (int)", callback.pointer, 1))
      case.gives({ 11 }, native.start("int (int)", callback.pointer, 1):join())
      return 3
    end),
    3
  )
  case.gives({ 2 }, case.there("int (int)", callback.pointer, 1))
end)

case.test("locked_and_queued_options_are_checked", function()
  local moonport = require("moonport")
  case.raises('mode: expected "queued" or "locked"', moonport.callback, "void (*)(int)", plus_one, { mode = "other" })
  case.raises("default: needed", moonport.callback, "int (*)(int)", plus_one, { mode = "locked" })
  assert(moonport.callback("int (*)(int)", plus_one, { mode = "locked", timeout = false }))
  assert(moonport.callback("int (*)(int)", plus_one, { mode = "queued", timeout = false }))
end)

case.test("locked_on_a_loop_that_cannot_let_go", function()
  local moonport = require("moonport")
  package.preload["moonport.host.copas"] = function()
    return function()
      return function() end
    end
  end
  local callback = locked(plus_one)
  local attached, message, name = moonport.attach("copas")
  assert(attached == nil and name == "unsupported", name)
  case.match(message, "locked callbacks are open.*copas")
  callback:close()
  attached = assert(moonport.attach("copas"))
  callback, message, name = moonport.callback("int (*)(int)", plus_one, { mode = "locked", default = 0 })
  assert(callback == nil and name == "unsupported", name)
  case.match(message, "cannot let go of the state's lock")
  attached:detach()
  case.gives({ 2 }, case.there("int (int)", locked(plus_one).pointer, 1))
  -- What is closed all at once is closed.
  moonport.shutdown(0)
  assert(moonport.attach("copas")):detach()
end)

-- A loop of others that only knows the descriptor: a caller makes it readable, and the turn lets it in.
case.test("locked_lets_callers_in_at_the_end_of_a_turn", function()
  local moonport, native = require("moonport"), case.native()
  local callback = locked(plus_one, { timeout = 15 })
  local descriptor = moonport.descriptor()
  local thread = native.start("asks", callback.pointer, 100)
  while not thread:is_done() do
    assert(native.readable(descriptor, 10000) or thread:is_done(), "no caller has made it readable")
    moonport.step()
  end
  case.gives({ 100, 0, 0 }, thread:join())
end)

-- GLib's loop lets go of the lock while it sleeps: callers need no turn of it. Its own function to sleep in comes back.
case.ffi("locked_while_glib_sleeps", function()
  local moonport, ffi, native = require("moonport"), require("ffi"), case.native()
  ffi.cdef([[
    int g_main_context_iteration(void *context, int may_block);
    void *g_main_context_get_poll_func(void *context);
  ]])
  local glib = ffi.load("libglib-2.0.so.0")
  local before = glib.g_main_context_get_poll_func(nil)
  local function is_as_before()
    return glib.g_main_context_get_poll_func(nil) == before
  end
  local iterations = 0
  local function iterate(may_block)
    iterations = iterations + 1
    return glib.g_main_context_iteration(nil, may_block)
  end
  jit.off(iterate)
  local function make(calls)
    local callback = locked(function(x)
      assert(not moonport.is_owner())
      return x + 1
    end)
    local port = moonport.port()
    local over = false
    port:on(function()
      over = true
    end)
    local thread = native.start("asks and sends many", callback.pointer, moonport.api, port:handle(), calls)
    while not over do
      iterate(1)
    end
    case.gives({ calls }, thread:join())
    port:close()
    return callback
  end
  local attachment = assert(moonport.attach("glib"))
  iterations = 0
  local callback = make(20000)
  assert(iterations < 10000, iterations .. " turns for 20000 calls")
  assert(not is_as_before(), "the function that GLib sleeps in is not ours")
  callback:close()
  while iterate(0) ~= 0 do
  end
  assert(is_as_before(), "it was not given back with the last locked callback")
  callback = make(100)
  assert(not is_as_before())
  attachment:detach()
  assert(is_as_before(), "it was not given back with the attachment")
  attachment = assert(moonport.attach("glib"))
  -- In a compiled loop nobody is let in while GLib sleeps; a turn still does it, or the call ends by its timeout.
  callback:close()
  callback = locked(plus_one, { timeout = 0.05 })
  local thread = native.start("asks", callback.pointer, 20)
  while not thread:is_done() do
    glib.g_main_context_iteration(nil, 0)
  end
  local right, given_up, wrong = thread:join()
  assert(right + given_up == 20 and wrong == 0)
  case.drain()
  -- That such a loop is no good is told once.
  assert(#case.reports <= 1)
  case.reports = {}
  attachment:detach()
end)

-- A compiled loop over a C function that calls back: the right value, or the default and one report.
case.compiled("locked_in_compiled_loops", function()
  local ffi = require("ffi")
  ffi.cdef([[
    void loop_begin(void *pointer, int n);
    int loop_ask(int i);
    int loop_right(void);
    int loop_given_up(void);
    int loop_wrong(void);
  ]])
  local lib = ffi.load(assert(package.searchpath("native", package.cpath)))
  local callback = locked(plus_one)
  lib.loop_begin(ffi.cast("void *", callback.pointer), 7)
  local ask = lib.loop_ask
  for i = 1, 700000 do
    ask(i)
  end
  case.equal(lib.loop_wrong(), 0)
  case.equal(lib.loop_right() + lib.loop_given_up(), 100000)
  assert(lib.loop_given_up() > 0, "nothing was compiled")
  case.drain()
  case.match(case.told("unsafe")[1], "moonport.call")
  require("moonport").call(function()
    lib.loop_begin(ffi.cast("void *", callback.pointer), 7)
    for i = 1, 700 do
      ask(i)
    end
  end)
  case.equal(lib.loop_right(), 100)
end)

case.main()
