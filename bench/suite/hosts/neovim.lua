-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Neovim without a window; its loop runs in vim.wait.
--   nvim --clean --headless -c "luafile neovim.lua"
local this = debug.getinfo(1, "S").source:match("^@(.*/)")
local uv = vim.uv or vim.loop
local LONG = 30000

local function wait(is_over)
  assert(vim.wait(LONG, is_over, LONG), "nothing comes")
end

local function run()
  local moonport = require("moonport")
  dofile(this .. "measure.lua")({
    attached = function(is_over)
      local attachment = assert(moonport.attach("neovim"))
      wait(is_over)
      attachment:detach()
    end,
    timer = function(is_over)
      local timer = uv.new_timer()
      -- As the adapter does, so that handlers may use vim.api.
      local step = vim.schedule_wrap(function()
        moonport.step()
      end)
      timer:start(10, 10, step)
      wait(is_over)
      timer:close()
    end,
  })
end

local ok, message = pcall(run)
if not ok then
  io.stdout:write(message, "\n")
end
vim.cmd(ok and "qall!" or "cquit 1")
