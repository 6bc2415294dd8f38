-- SPDX-License-Identifier: MIT OR Apache-2.0
-- How long a callback lives: its handler until close, its pointer as long as the process.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local function asked(handler, options)
  options = options or {}
  options.default = -1
  return require("moonport").callback("int (*)(int)", handler, options)
end

local function plus_one(x)
  return x + 1
end

case.test("life_pointer_after_close", function()
  local post, got = case.recorded("void (*)(int)")
  local ask = asked(plus_one)
  post:close()
  ask:close()
  for _, call in ipairs(case.both) do
    for i = 1, 10 do
      call("void (int)", post.pointer, i)
      case.gives({ -1 }, call("int (int)", ask.pointer, i))
    end
  end
  case.drain()
  case.equal(#got, 0)
  case.counts(post, { calls = 20, after_close = 20 })
  case.counts(ask, { calls = 20, after_close = 20 })
end)

case.test("life_pointer_after_close_and_collection", function()
  local native = case.native()
  local post, got = case.recorded("void (*)(int)")
  local ask = asked(plus_one)
  local pointers = { native.number(post.pointer), native.number(ask.pointer) }
  post:close()
  ask:close()
  post, ask = nil, nil
  -- Callbacks that come after have pointers and places of their own.
  local others = {}
  for i = 1, 50 do
    collectgarbage()
    others[i] = asked(function()
      return 1000
    end)
    assert(native.number(others[i].pointer) ~= pointers[2])
  end
  for _, call in ipairs(case.both) do
    call("void (int)", native.pointer(pointers[1]), 1)
    case.gives({ -1 }, call("int (int)", native.pointer(pointers[2]), 1))
  end
  case.drain()
  case.equal(#got, 0)
  for i = 1, 50 do
    case.equal(others[i]:stats().calls, 0)
  end
end)

case.test("life_handler_is_anchored_until_close", function()
  local native = case.native()
  local weak = setmetatable({}, { __mode = "k" })
  local got = {}
  local function make()
    local prefix = ("handler"):rep(2)
    local function handler(x)
      got[#got + 1] = prefix .. x
    end
    weak[handler] = true
    return native.number(require("moonport").callback("void (*)(int)", handler).pointer)
  end
  local pointer = make()
  for i = 1, 3 do
    collectgarbage()
    collectgarbage()
    case.there("void (int)", native.pointer(pointer), i)
    case.drain()
    case.equal(got[i], "handlerhandler" .. i)
  end
  assert(next(weak), "the handler is gone")
  case.equal(case.there("closes", native.pointer(pointer), require("moonport").api), 0)
  case.drain()
  collectgarbage()
  collectgarbage()
  case.equal(next(weak), nil)
end)

case.test("life_handler_that_was_replaced_is_let_go", function()
  local weak = setmetatable({}, { __mode = "k" })
  local callback = asked(plus_one)
  local function replace()
    local function handler(x)
      return x * 2 + #tostring(weak) * 0
    end
    weak[handler] = true
    callback:set(handler)
  end
  replace()
  case.gives({ 10 }, case.there("int (int)", callback.pointer, 5))
  callback:set(plus_one)
  collectgarbage()
  collectgarbage()
  case.equal(next(weak), nil)
  case.gives({ 6 }, case.there("int (int)", callback.pointer, 5))
end)

case.test("life_closed_by_its_destroyer", function()
  for _, call in ipairs(case.both) do
    local post, got = case.recorded("void (*)(int)")
    local ask = asked(plus_one)
    call("void (void *)", post.destroyer, nil)
    call("void (void *)", ask.destroyer, ask.pointer)
    call("void (void *)", ask.destroyer, nil)
    case.drain()
    call("void (int)", post.pointer, 1)
    case.gives({ -1 }, call("int (int)", ask.pointer, 1))
    case.drain()
    case.equal(#got, 0)
    case.raises("closed", post.set, post, print)
    case.equal(#require("moonport").report(), 0)
    case.counts(post, { calls = 1, after_close = 1 })
    post:close()
  end
end)

case.test("life_destroyer_while_calls_wait", function()
  local ask = asked(plus_one, { timeout = 600, name = "destroyed" })
  local waiting = case.native().start("int (int)", ask.pointer, 1)
  case.until_waiting("destroyed", 1)
  case.native().start("void (void *)", ask.destroyer, nil):join()
  case.gives({ -1 }, waiting:join())
  case.drain()
  case.equal(#require("moonport").report(), 0)
end)

case.test("life_closed_from_c", function()
  local moonport = require("moonport")
  local ask = asked(plus_one)
  case.gives({ 0, -2 }, case.there("closes", ask.pointer, moonport.api))
  case.gives({ -1 }, case.there("int (int)", ask.pointer, 1))
  ask:close()
  -- What is no callback's pointer is told from one: -10 is MOONPORT_NOT_FOUND.
  case.gives({ -10, -10 }, case.here("closes", case.native().pointer(4096), moonport.api))
end)

case.test("life_closed_by_many_threads_at_once", function()
  local moonport, native = require("moonport"), case.native()
  for _ = 1, 30 do
    local ask = asked(plus_one, { timeout = 60 })
    local destroyer = ask.destroyer
    local callers, closers = {}, {}
    for i = 1, 2 do
      callers[i] = native.start("asks until closed", ask.pointer)
      closers[i] = native.start("void (void *)", destroyer, nil)
    end
    ask:close()
    for i = 1, 2 do
      closers[i]:join()
      case.gives({ 0 }, case.await(callers[i]))
    end
    case.drain()
    case.equal(#moonport.report(), 0)
  end
end)

-- Destructors of a thread's own data call, when those of the module's own are gone: the results of such calls with the
-- number 5, and what has arrived.
local function call_at_a_threads_end()
  local post, got = case.recorded("void (*)(int)")
  local text = require("moonport").callback("const char *(*)(int)", function(x)
    return "text " .. x
  end, { default = "default" })
  local results = case.pack(
    case.there("at a thread's end", asked(plus_one).pointer, post.pointer, text.pointer, 5)
  )
  case.drain()
  return results, got
end

case.test("life_calls_of_a_thread_that_is_ending", function()
  local results, got = call_at_a_threads_end()
  case.gives({ 2, 6 }, results[1], results[2])
  case.arrived(got, { 5 })
end)

case.test("life_string_for_a_thread_that_is_ending", function()
  case.equal(call_at_a_threads_end()[3], "text 5")
end)

case.test("life_ref_and_unref", function()
  local moonport = require("moonport")
  local callback, got = case.recorded("void (*)(int)", { ref = false })
  moonport.run()
  callback:ref()
  moonport.after(0.01, function()
    callback:unref()
  end)
  moonport.run()
  callback:ref()
  moonport.after(0.01, function()
    callback:close()
  end)
  moonport.run()
  -- One that counts keeps it running for calls of other threads.
  local other
  other = moonport.callback("int (*)(int)", function(x)
    other:close()
    return x
  end, { default = -1 })
  local thread = case.native().start("int (int)", other.pointer, 7)
  moonport.run()
  thread:join()
  case.equal(other:stats().delivered, 1)
  case.equal(#got, 0)
end)

case.test("life_unreferenced_callbacks_are_served_too", function()
  local moonport = require("moonport")
  local callback, got = case.recorded("void (*)(int)")
  callback:unref()
  case.native().start("void (int)", callback.pointer, 1):join()
  local timer = moonport.every(0.001, function()
    if #got == 1 then
      moonport.stop()
    end
  end)
  moonport.run()
  timer:cancel()
  case.arrived(got, { 1 })
end)

local function fill(list, count)
  for _ = 1, count do
    list[#list + 1] = require("moonport").callback("void (*)(void)", print) -- the biggest user
  end
end

case.test("life_all_function_pointers_are_used_up", function()
  local moonport, native = require("moonport"), case.native()
  local list, distinct = {}, {}
  for _ = 1, 192 do
    list[#list + 1] = asked(plus_one) -- the second
  end
  fill(list, 7000)
  local ok, message
  repeat
    ok, message = pcall(moonport.callback, "void (*)(void)", print)
    list[#list + 1] = ok and message or nil
  until not ok
  case.equal(#list, 8192)
  case.match(message, "all 8192 function pointers")
  case.match(message, "7000 at [^,]*life%.lua:%d+")
  case.match(message, "192 at [^,]*life%.lua:%d+")
  for _, callback in ipairs(list) do
    distinct[native.number(callback.pointer)] = true
  end
  local count = 0
  for _ in pairs(distinct) do
    count = count + 1
  end
  case.equal(count, 8192)
  case.gives({ 6 }, case.there("int (int)", list[1].pointer, 5))
  case.raises("function pointers", function()
    return list[1].destroyer
  end)
  -- Closing gives none back: their pointers stay callable.
  for _, callback in ipairs(list) do
    callback:close()
  end
  collectgarbage()
  case.raises("all 8192 function pointers", moonport.callback, "void (*)(void)", print)
  case.gives({ -1 }, case.there("int (int)", list[192].pointer, 5))
  case.equal(#moonport.report(), 0)
end)

case.test("life_making_and_closing_thousands", function()
  local list = {}
  for i = 1, 2000 do
    local callback = asked(function(x)
      return x + i
    end)
    case.gives({ 2 * i }, case.here("int (int)", callback.pointer, i))
    callback:close()
    list[i] = callback.pointer
  end
  collectgarbage()
  for i = 1, 2000, 100 do
    case.gives({ -1 }, case.here("int (int)", list[i], i))
  end
end)

case.test("life_during_moonport_shutdown", function()
  local moonport = require("moonport")
  local post, got = case.recorded("void (*)(int)")
  local ask = asked(plus_one)
  case.native().start("void (int)", post.pointer, 1):join()
  assert(moonport.shutdown(1))
  for _, call in ipairs(case.both) do
    call("void (int)", post.pointer, 2)
    case.gives({ -1 }, call("int (int)", ask.pointer, 2))
  end
  case.equal(#moonport.report(), 0)
  case.drain()
  case.equal(#got, 0)
end)

case.main()
