-- SPDX-License-Identifier: MIT OR Apache-2.0
-- In a forked child the callbacks belong to the parent: a void call does nothing, a returning one gives its default at
-- once. A child that hangs ends by a signal: its status is then negative.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local function asked(handler, options)
  options = options or {}
  options.default = 11
  return require("moonport").callback("int (*)(int)", handler, options)
end

local function plus_one(x)
  return x + 1
end

case.test("fork_void_call_does_nothing", function()
  local native = case.native()
  local callback, got = case.recorded("void (*)(int)")
  case.equal(
    native.in_a_fork(function()
      native.call("void (int)", callback.pointer, 1)
      native.start("void (int)", callback.pointer, 2):join()
      case.drain()
      return 50 + #got
    end),
    50
  )
  native.start("void (int)", callback.pointer, 3):join()
  case.drain()
  case.arrived(got, { 3 })
end)

case.test("fork_void_call_with_a_full_queue_that_blocks", function()
  local native = case.native()
  local callback = case.recorded(
    "void (*)(int thread, int number)",
    { capacity = 2, overflow = "block", timeout = 600 }
  )
  native.start("sequence", callback.pointer, 1, 2):join()
  case.equal(
    native.in_a_fork(function()
      native.start("sequence", callback.pointer, 1, 5):join()
      native.call("sequence", callback.pointer, 1, 5)
      return 3
    end),
    3
  )
end)

case.test("fork_returning_call_gives_the_default_at_once", function()
  local native = case.native()
  local ran = 0
  for _, timeout in ipairs({ 600, false }) do
    local callback = asked(function()
      ran = ran + 1
      return 5
    end, { timeout = timeout })
    case.equal(
      native.in_a_fork(function()
        case.gives({ 11 }, native.call("int (int)", callback.pointer, 1))
        return native.start("int (int)", callback.pointer, 1):join()
      end),
      11
    )
    case.equal(ran, 0)
    case.gives({ 5 }, case.there("int (int)", callback.pointer, 1))
    ran = 0
  end
end)

case.test("fork_on_another_thread", function()
  local callback = asked(plus_one, { timeout = 600 })
  for i = 1, 5 do
    case.gives({ 11 }, case.there("int (int) in a fork", callback.pointer, i))
    case.gives({ i + 1 }, case.there("int (int)", callback.pointer, i))
  end
  case.equal(callback:stats().calls, 5)
end)

case.test("fork_while_threads_call", function()
  local native = case.native()
  local callback = asked(plus_one, { timeout = 600 })
  local post = case.recorded("void (*)(int thread, int number)", { capacity = 10 })
  local threads = {}
  for i = 1, 3 do
    threads[i] = native.start("asks", callback.pointer, 1000)
    threads[i + 3] = native.start("sequence", post.pointer, i, 200000)
  end
  for i = 1, 10 do
    require("moonport").step()
    case.equal(
      native.in_a_fork(function()
        native.call("sequence", post.pointer, 1, 5)
        callback:stats()
        post:stats()
        return native.call("int (int)", callback.pointer, i)
      end),
      11
    )
  end
  for i = 1, 3 do
    case.gives({ 1000, 0, 0 }, case.await(threads[i]))
    case.await(threads[i + 3])
  end
  case.drain()
  case.reports = {}
end)

case.test("fork_in_a_handler", function()
  local native = case.native()
  local callback
  callback = asked(function(x)
    local status = native.in_a_fork(function()
      return native.call("int (int)", callback.pointer, x)
    end)
    return status * 10
  end, { timeout = 600 })
  for _, call in ipairs(case.both) do
    case.gives({ 110 }, call("int (int)", callback.pointer, 1))
  end
end)

case.test("fork_closing_in_the_child_is_nothing_to_the_parent", function()
  local native, moonport = case.native(), require("moonport")
  local callback = asked(plus_one)
  local destroyer = callback.destroyer
  case.equal(
    native.in_a_fork(function()
      native.call("void (void *)", destroyer, nil)
      native.call("closes", callback.pointer, moonport.api)
      callback:close()
      callback:close({ drain = true })
      return native.call("int (int)", callback.pointer, 1)
    end),
    11
  )
  case.gives({ 6 }, case.there("int (int)", callback.pointer, 5))
end)

case.test("fork_a_new_callback_works_in_the_child", function()
  local native, moonport = case.native(), require("moonport")
  local old = asked(plus_one)
  case.equal(
    native.in_a_fork(function()
      local callback = asked(function(x)
        return x * 2
      end)
      local post, got = case.recorded("void (*)(int)")
      for _, call in ipairs(case.both) do
        case.gives({ 40 }, call("int (int)", callback.pointer, 20))
        call("void (int)", post.pointer, 3)
      end
      case.drain()
      case.arrived(got, { 3 }, { 3 })
      callback:close()
      case.gives({ 11 }, case.there("int (int)", callback.pointer, 20))
      case.gives({ 11 }, case.there("int (int)", old.pointer, 20))
      return 9
    end),
    9
  )
  case.gives({ 6 }, case.there("int (int)", old.pointer, 5))
  case.equal(#moonport.report(), 1)
end)

case.test("fork_a_child_that_ends_by_exit", function()
  local native = case.native()
  local callback = asked(plus_one)
  case.native().start("void (int)", case.recorded("void (*)(int)").pointer, 1):join()
  case.equal(
    native.in_a_fork(function()
      native.call("int (int)", callback.pointer, 1)
      os.exit(21, true)
    end),
    21
  )
  case.gives({ 6 }, case.there("int (int)", callback.pointer, 5))
end)

case.main()
