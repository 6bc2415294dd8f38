-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Several Lua states in one process, each with callbacks: a state is closed while its pointers are in use elsewhere.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

-- What the other states' code begins with; their first argument is the pointer of a callback of the main state, or 0.
local HEAD = [[
  local argument = ...
  local native, moonport = require("native"), require("moonport")
  local function asked(handler)
    return moonport.callback("int (*)(int)", handler, { default = -1, timeout = 10 })
  end
]]

-- Another state with a callback whose handler is `handler`; gives its pointer, and a function that ends it.
local function serve(handler, argument)
  local moonport, native = require("moonport"), case.native()
  local inbox = moonport.port({ name = "main" })
  local thread = native.start(case.state(HEAD .. [[
    local callback = asked(]] .. handler .. [[)
    local port = moonport.port({ name = "other" })
    port:on(function()
      callback:close()
      port:close()
    end)
    assert(moonport.connect("main")):send(native.number(callback.pointer))
    moonport.run()
  ]], argument or 0))
  local ok, number = inbox:receive(10)
  assert(ok, number)
  inbox:close()
  return native.pointer(number),
    function()
      assert(assert(moonport.connect("other")):send(true))
      case.await(thread)
    end
end

case.test("state_called_from_another_states_thread", function()
  local pointer, finish = serve("function(x) return x * 2 end")
  for i = 1, 100 do
    case.gives({ 2 * i }, case.here("int (int)", pointer, i))
  end
  case.gives({ 8 }, case.there("int (int)", pointer, 4))
  finish()
end)

case.test("state_pointer_after_its_state_is_closed", function()
  local pointer, finish = serve("function(x) return x * 2 end")
  case.gives({ 8 }, case.here("int (int)", pointer, 4))
  finish()
  for _, call in ipairs(case.both) do
    for i = 1, 10 do
      case.gives({ -1 }, call("int (int)", pointer, i))
    end
  end
end)

case.test("state_that_calls_back_while_it_is_called", function()
  -- The main state waits for the other one, whose handler calls a callback of the main state.
  local ran = 0
  local mine = require("moonport").callback("int (*)(int)", function(x)
    ran = ran + 1
    return x + 1
  end, { default = -1, timeout = 10 })
  local pointer, finish = serve(
    [[function(x)
      local answer = native.call("int (int)", native.pointer(argument), x)
      return answer == -1 and -1 or answer * 10
    end]],
    case.native().number(mine.pointer)
  )
  local begun = os.time()
  case.gives({ 60 }, case.here("int (int)", pointer, 5))
  case.equal(ran, 1)
  assert(os.time() - begun < 5, "it took as long as the timeout")
  finish()
end)

case.test("state_that_calls_back_while_a_handler_calls_it", function()
  local mine = require("moonport").callback("int (*)(int)", function(x)
    return x + 1
  end, { default = -1, timeout = 10 })
  local pointer, finish = serve(
    [[function(x)
      local answer = native.call("int (int)", native.pointer(argument), x)
      return answer == -1 and -1 or answer * 10
    end]],
    case.native().number(mine.pointer)
  )
  local outer = require("moonport").callback("int (*)(int)", function(x)
    return case.here("int (int)", pointer, x)
  end, { default = -1, timeout = 10 })
  case.gives({ 60 }, case.there("int (int)", outer.pointer, 5))
  finish()
end)

case.test("state_on_the_same_thread", function()
  local native = case.native()
  local mine = require("moonport").callback("int (*)(int)", function(x)
    return x + 1
  end, { default = -1 })
  case.here(case.state(HEAD .. [[
    local callback = asked(function(x)
      return native.call("int (int)", native.pointer(argument), x) * 10
    end)
    local answer = native.call("int (int)", callback.pointer, 5)
    assert(answer == 60, answer)
    native.finaliser("int (int)", native.pointer(argument), 5)
  ]], native.number(mine.pointer)))
  -- Its finaliser has run when it was closed, in the middle of ours.
  case.gives({ 1, 6 }, native.finalised_results())
  case.gives({ 2 }, case.here("int (int)", mine.pointer, 1))
end)

case.test("state_closed_while_threads_ask", function()
  local native = case.native()
  for _ = 1, 30 do
    case.there(case.state(HEAD .. [[
      local callback = asked(function(x) return x + 1 end)
      for i = 1, 4 do
        native.start("asks until closed", callback.pointer)
      end
      while callback:stats().delivered < 200 do
        moonport.step(0.01)
      end
    ]], 0))
  end
  case.step_until(function()
    return native.running() == 0
  end, "the callers")
end)

case.test("state_closed_while_threads_post", function()
  local native = case.native()
  for _ = 1, 30 do
    case.there(case.state(HEAD .. [[
      local got = 0
      local callback = moonport.callback("void (*)(int thread, int number)", function()
        got = got + 1
      end, { capacity = 100 })
      moonport.on_error(function() end)
      for i = 1, 4 do
        native.start("sequence", callback.pointer, i, 20000)
      end
      -- So many find room even if all have called before the first is delivered.
      while got < 100 do
        moonport.step(0.01)
      end
    ]], 0))
  end
  case.step_until(function()
    return native.running() == 0
  end, "the callers")
end)

case.test("state_finalisers_call_while_it_is_closed", function()
  local native = case.native()
  case.there(case.state(HEAD:gsub('require%("moonport"%)', "nil") .. [[
    -- One that is older than all of Moonport, and some that are younger than the callback.
    local early = native.finaliser("int (int)", native.pointer(0), 5)
    moonport = require("moonport")
    local callback = asked(function(x) return x + 1 end)
    native.aim(early, callback.pointer)
    late = {}
    for i = 1, 10 do
      late[i] = native.finaliser("int (int)", callback.pointer, 5)
      late[i + 10] = native.finaliser("void (int)", moonport.callback("void (*)(int)", print).pointer, 5)
    end
    late.early = early
  ]], 0))
  local count, last = native.finalised_results()
  case.equal(count, 21)
  assert(last == nil or last == -1 or last == 6, last)
end)

case.main()
