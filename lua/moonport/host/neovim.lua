-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Neovim: a poll handle of its loop tells that there is something to deliver; the turn itself runs where vim.schedule
-- says, so that handlers may use all of vim.api.
-- Thread: Neovim's main thread. Lifetime: the handle is closed by the last detach, or by Neovim when it ends.

local attach = require("moonport.host.shared")(function(turn, moonport, vim)
  local descriptor, message, name = moonport.descriptor()
  if not descriptor then
    return nil, message, name
  end
  -- vim.loop before Neovim 0.10. The descriptor is a socket on Windows, and any will do elsewhere.
  local poll = assert((vim.uv or vim.loop).new_socket_poll(descriptor))

  local function watch()
    -- uv's callbacks run where vim.api is refused, and what is scheduled runs later. Until then the descriptor stays
    -- readable: a handle that goes on would be called over and over.
    poll:start("r", function()
      poll:stop()
      vim.schedule(function()
        if not poll:is_closing() then
          -- First, since a handler may wait in a loop of its own, as in vim.wait.
          watch()
          turn()
        end
      end)
    end)
  end

  watch()
  return function()
    if not poll:is_closing() then
      poll:close()
    end
  end
end)

---@param moonport table
---@param step fun(): integer
---@return function|nil detach, string? message, string? name
return function(moonport, _, step)
  local vim = rawget(_G, "vim")
  if not (vim and vim.schedule) then
    return nil, "moonport.attach: this is not Neovim: there is no vim.schedule", "not_found"
  end
  return attach(step, moonport, vim)
end
