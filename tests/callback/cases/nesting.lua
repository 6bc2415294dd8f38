-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Callbacks called on the thread that runs Lua from inside a handler, and how deep.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local function asked(handler, options)
  options = options or {}
  options.default = options.default or -1
  return require("moonport").callback("int (*)(int)", handler, options)
end

local function plus_one(x)
  return x + 1
end

case.test("nesting_close_and_set_inside_the_handler", function()
  local callback
  callback = asked(function(x)
    callback:set(function(y)
      callback:close()
      return y + 100
    end)
    return x + 1
  end)
  case.gives({ 6 }, case.here("int (int)", callback.pointer, 5))
  local answer = case.here("int (int)", callback.pointer, 5)
  assert(answer == 105 or answer == -1, answer)
  case.gives({ -1 }, case.here("int (int)", callback.pointer, 5))
end)

case.test("nesting_step_inside_a_handler", function()
  local post, got = case.recorded("void (*)(int)")
  local callback = asked(function(x)
    case.here("void (int)", post.pointer, x)
    case.drain()
    return #got
  end)
  for i = 1, 5 do
    case.gives({ i }, case.here("int (int)", callback.pointer, i))
  end
  case.gives({ 6 }, case.there("int (int)", callback.pointer, 6))
  case.arrived(got, { 1 }, { 2 }, { 3 }, { 4 }, { 5 }, { 6 })
end)

case.test("nesting_to_sixteen_and_the_default_beyond", function()
  local deepest = 0
  local callback
  callback = asked(function(depth)
    deepest = math.max(deepest, depth)
    return depth == 100 and 0 or case.here("int (int)", callback.pointer, depth + 1)
  end)
  case.gives({ -1 }, case.here("int (int)", callback.pointer, 1))
  case.equal(deepest, 16)
  case.drain()
  assert(#case.reports >= 1, "nobody was told")
  case.reports = {}
  -- Sums up to 15 levels: all right, and again.
  callback:set(function(left)
    return left == 0 and 0 or left + case.here("int (int)", callback.pointer, left - 1)
  end)
  for _ = 1, 3 do
    case.gives({ 120 }, case.here("int (int)", callback.pointer, 15))
  end
  case.drain()
  case.told()
end)

case.test("nesting_too_deep_is_told_as_such", function()
  local callback
  callback = asked(function(depth)
    return case.here("int (int)", callback.pointer, depth + 1)
  end, { name = "deep" })
  case.gives({ -1 }, case.here("int (int)", callback.pointer, 1))
  case.drain()
  -- No compiled code is anywhere near; what is wrong is the depth.
  local message = case.reports[1].message
  case.reports = {}
  case.match(message, "deep")
  assert(not message:find("compiled"), message)
  case.match(message, "16")
end)

case.test("nesting_of_two_callbacks_in_turn", function()
  local one, two
  one = asked(function(left)
    return left == 0 and 0 or 1 + case.here("int (int)", two.pointer, left - 1)
  end)
  two = asked(function(left)
    return left == 0 and 0 or 100 + case.here("int (int)", one.pointer, left - 1)
  end)
  case.gives({ 505 }, case.here("int (int)", one.pointer, 10))
  case.gives({ 707 }, case.here("int (int)", two.pointer, 14))
end)

case.test("nesting_inside_another_handler", function()
  local inner = asked(plus_one)
  local outer = asked(function(x)
    return case.here("int (int)", inner.pointer, x) * 10
  end)
  local posted
  local post = require("moonport").callback("void (*)(int)", function(x)
    posted = case.here("int (int)", outer.pointer, x)
  end)
  -- The outer one for a thread that waits, for one that does not, and for a timer.
  case.gives({ 60 }, case.there("int (int)", outer.pointer, 5))
  case.there("void (int)", post.pointer, 6)
  case.drain()
  case.equal(posted, 70)
  local timed
  require("moonport").after(0.001, function()
    timed = case.here("int (int)", outer.pointer, 7)
  end)
  case.step_until(function()
    return timed
  end)
  case.equal(timed, 80)
end)

case.test("nesting_inside_a_handler_that_has_waited", function()
  local moonport = require("moonport")
  local inner = asked(plus_one)
  local outer = asked(function(x)
    moonport.sleep(0.001)
    local first = case.here("int (int)", inner.pointer, x)
    moonport.sleep(0.001)
    return first + case.here("int (int)", inner.pointer, x)
  end)
  case.gives({ 12 }, case.there("int (int)", outer.pointer, 5))
end)

case.test("nesting_void_call_inside_a_handler_is_queued", function()
  local got = {}
  local post
  post = require("moonport").callback("void (*)(int)", function(x)
    got[#got + 1] = x
    if x < 5 then
      case.here("void (int)", post.pointer, x + 1)
      case.equal(#got, x)
    end
  end)
  case.here("void (int)", post.pointer, 1)
  case.drain()
  case.equal(table.concat(got, " "), "1 2 3 4 5")
end)

case.test("nesting_coroutines_inside_handlers_stay_apart", function()
  local callback = asked(function(x)
    local inner = coroutine.wrap(function(y)
      local z = coroutine.yield(y + 1)
      return z * 2
    end)
    return inner(x) + inner(x)
  end)
  for _, call in ipairs(case.both) do
    case.gives({ 16 }, call("int (int)", callback.pointer, 5))
  end
end)

case.main()
