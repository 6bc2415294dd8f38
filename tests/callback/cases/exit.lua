-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Pointers are called while the process ends, and after the Lua state is closed.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local function asked(handler, options)
  options = options or {}
  options.default, options.ref = -1, false
  return require("moonport").callback("int (*)(int)", handler, options)
end

local function plus_one(x)
  return x + 1
end

local endings = {
  exit = function()
    os.exit(0)
  end,
  close = function()
    os.exit(0, true)
  end,
  finish = function() end,
}

-- Functions of both kinds, called by exit(), on the main thread and on another, when the state is closed.
for _, ending in ipairs({ "close", "finish" }) do
  case.test(("exit_%s_then_calls"):format(ending), function()
    local native = case.native()
    local post, got = case.recorded("void (*)(int)", { ref = false })
    local ask = asked(plus_one, { timeout = 600 })
    case.there("void (int)", post.pointer, 1)
    case.there("int (int)", ask.pointer, 1)
    native.at_exit(-1, -1, "int (int)", ask.pointer, 5)
    native.at_exit(0, 0, "void (int)", post.pointer, 5)
    native.at_exit(0, 0, "void (void *)", ask.destroyer, nil)
    native.at_exit(
      0,
      0,
      "void (const char *, size_t)",
      case.recorded("void (*)(const char *p, size_t n)", { ref = false }).pointer,
      "text"
    )
    case.ends_in_native()
    assert(#got <= 1)
    endings[ending]()
  end)
end

case.test("exit_without_closing_then_calls", function()
  -- The state is as it was, but nobody serves it: on its own thread the handler may still run.
  local native = case.native()
  local ask = asked(plus_one, { timeout = 0.05 })
  local post = case.recorded("void (*)(int)", { ref = false })
  native.at_exit(-1, 6, "int (int)", ask.pointer, 5)
  native.at_exit(0, 0, "void (int)", post.pointer, 5)
  case.ends_in_native()
  os.exit(0)
end)

case.test("exit_inside_a_handler_then_calls", function()
  local native = case.native()
  local ask = asked(plus_one, { timeout = 0.05 })
  native.at_exit(-1, 6, "int (int)", ask.pointer, 5)
  case.ends_in_native()
  local ending = asked(function()
    os.exit(0, true)
  end, { timeout = 600 })
  case.there("int (int)", ending.pointer, 1)
  error("not reached")
end)

for _, ending in ipairs({ "exit", "close", "finish" }) do
  for _, program in ipairs({ "posts", "asks" }) do
    case.test(("exit_%s_while_threads_run_%s"):format(ending, program), function()
      local native = case.native()
      require("moonport").on_error(function() end)
      local callback = program == "asks" and asked(plus_one, { timeout = 600 })
        or case.recorded("void (*)(int)", { ref = false, capacity = 1000 })
      for _ = 1, 4 do
        native.start(program .. " for ever", callback.pointer)
      end
      case.step_until(function()
        return callback:stats().delivered > 1000
      end)
      native.at_exit(
        0,
        0,
        "void (void)",
        require("moonport").callback("void (*)(void)", print, { ref = false }).pointer
      )
      case.ends_in_native()
      endings[ending]()
    end)
    if ending ~= "finish" then
      case.test(
        ("exit_%s_inside_a_handler_while_threads_run_%s"):format(ending, program),
        function()
          local native = case.native()
          require("moonport").on_error(function() end)
          local count = 0
          local function handler(x)
            count = count + 1
            if count == 1000 then
              endings[ending]()
            end
            return x + 1
          end
          local callback = program == "asks" and asked(handler, { timeout = 600 })
            or require("moonport").callback("void (*)(int)", handler, { capacity = 1000 })
          for _ = 1, 4 do
            native.start(program .. " for ever", callback.pointer)
          end
          native.at_exit(
            0,
            0,
            "void (void)",
            require("moonport").callback("void (*)(void)", print, { ref = false }).pointer
          )
          case.ends_in_native()
          case.step_until(function()
            return false
          end)
        end
      )
    end
  end
end

case.test("exit_close_while_a_caller_waits_for_a_sleeping_handler", function()
  local native = case.native()
  local ask = asked(function()
    require("moonport").sleep(600)
  end, { timeout = 600 })
  native.start("int (int)", ask.pointer, 1)
  case.step_until(function()
    return ask:stats().delivered == 1
  end)
  native.at_exit(-1, -1, "int (int)", ask.pointer, 5)
  case.ends_in_native()
  endings.close()
end)

case.main()
