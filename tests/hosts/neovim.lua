-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Neovim: wakes up for messages, without a window in vim.wait, and in a terminal where it waits for a key.
--   nvim --clean --headless -c "luafile tests/hosts/neovim.lua" -c "cquit 1"
-- MOONPORT_TERMINAL is set where this is the Neovim in the terminal: the file that gets its output.
local this = debug.getinfo(1, "S").source:sub(2)
local common = dofile((this:match("^.*/") or "./") .. "common.lua")
local moonport, check, equal, note = common.moonport, common.check, common.equal, common.note
local uv = vim.uv or vim.loop

local LONG = 30000
local host = { name = "neovim" }

function host.attach()
  return moonport.attach("neovim")
end

function host.every(seconds, fn)
  local timer = uv.new_timer()
  timer:start(seconds * 1000, seconds * 1000, fn)
  return function()
    timer:close()
  end
end

function host.nest(condition)
  check(vim.wait(LONG, condition, LONG), "nothing came in a nested loop")
end

-- What every handler may do, beside the scenario.
local function vim_api()
  local errors = 0
  moonport.on_error(function()
    errors = errors + 1
  end)
  local attachment = assert(moonport.attach(vim))
  equal(attachment:host(), "neovim", "attached by the module")
  local port = moonport.port({ codec = "json" })
  port:on(function(value)
    -- Refused in uv's own callbacks.
    vim.api.nvim_buf_set_lines(0, -1, -1, true, { "line " .. value })
    vim.cmd("let g:moonport = " .. value)
    if value == 3 then
      host.stop()
    end
  end)
  equal(common.native.native_burst(port:handle(), 3), 0, "native_burst")
  host.run()
  common.native.native_join()
  local lines = table.concat(vim.api.nvim_buf_get_lines(0, -4, -1, true), ",")
  equal(lines, "line 1,line 2,line 3", "lines of the buffer")
  equal(vim.g.moonport, 3, "g:moonport")
  equal(errors, 0, "errors")
  port:close()
  attachment:detach()
end

-- Where only uv's own callbacks run, messages wait, and nothing turns round and round for them.
local function fast_only()
  local attachment = assert(moonport.attach("neovim"))
  local port = common.recorder(host)
  port.awaited = 10
  equal(common.native.native_burst(port.port:handle(), 10), 0, "native_burst")
  common.native.native_join()
  local cpu = common.native.native_cpu()
  vim.wait(500, function() end, LONG, true)
  cpu = common.native.native_cpu() - cpu
  check(cpu < 0.1, "%.3f s of CPU in half a second of waiting", cpu)
  equal(#port.got, 0, "delivered where vim.api is refused")
  host.run()
  port:expect(10, "after that")
  port.port:close()
  attachment:detach()
end

local function in_terminal(output)
  local file = assert(io.open(output, "w"))
  io.output(file)
  function common.note(text, ...)
    file:write(text:format(...), "\n")
    file:flush()
  end

  -- Neovim's own: CursorHold, after so many milliseconds without a key.
  vim.o.updatetime = 4 * LONG
  local running
  host.run = coroutine.yield

  -- Out of the handler that says so, and of its turn.
  function host.stop()
    vim.schedule(function()
      local ok, message = coroutine.resume(running)
      if not ok then
        common.note("%s", debug.traceback(running, message))
        vim.cmd("cquit 1")
      end
    end)
  end

  function host.pass(seconds)
    local timer = uv.new_timer()
    timer:start(seconds * 1000, 0, function()
      timer:close()
      host.stop()
    end)
    coroutine.yield()
  end

  running = coroutine.create(function()
    common.scenario(host)
    vim_api()
    common.passed()
    -- Attached, with a server and its thread: Neovim ends all the same.
    assert(moonport.attach("neovim"))
    local server = moonport.http()
    server:get("/", function() end)
    assert(server:start())
    vim.cmd("qall!")
  end)
  -- As soon as Neovim waits for a key.
  vim.schedule(host.stop)
end

local function without_terminal()
  local stopped
  local function has_stopped()
    return stopped
  end

  function host.run()
    stopped = false
    check(vim.wait(LONG, has_stopped, LONG), "nothing stopped the loop")
  end

  function host.stop()
    stopped = true
  end

  function host.pass(seconds)
    vim.wait(seconds * 1000, function() end, LONG)
  end

  common.scenario(host)
  vim_api()
  fast_only()

  local output, status = vim.fn.tempname(), nil
  local arguments = { vim.v.progpath, "--clean", "-n", "-c", "luafile " .. this }
  local job = vim.fn.jobstart(arguments, {
    pty = true,
    env = { MOONPORT_TERMINAL = output, TERM = "xterm" },
    on_exit = function(_, code)
      status = code
    end,
  })
  check(job > 0, "no Neovim in a terminal")
  vim.wait(2 * LONG, function()
    return status
  end)
  note("in a terminal:")
  for line in io.lines(output) do
    note("%s", line)
  end
  equal(status, 0, "status of the Neovim in the terminal")
  common.passed()
end

local output = os.getenv("MOONPORT_TERMINAL")
local ok, message = xpcall(output and in_terminal or without_terminal, debug.traceback, output)
if not ok then
  io.stderr:write(message, "\n")
  vim.cmd("cquit 1")
elseif not output then
  vim.cmd("qall!")
end
