-- SPDX-License-Identifier: MIT OR Apache-2.0
-- libuv through luv: a poll handle on Moonport's descriptor. uv.run() returns when neither uv nor Moonport has anything
-- left: the handle counts for uv while something referenced is open in Moonport.
-- Thread: the one that owns the Lua state, and runs its loop. Lifetime: the handles are closed by the last detach.

local attach = require("moonport.host.shared")(function(turn, moonport, uv, referenced)
  local descriptor, message, name = moonport.descriptor()
  if not descriptor then
    return nil, message, name
  end
  local poll, prepare, check = assert(uv.new_poll(descriptor)), uv.new_prepare(), uv.new_check()
  -- uv.walk may close our handles before detach does.
  local function follow()
    if not poll:is_closing() then
      local set = referenced() and poll.ref or poll.unref
      set(poll)
    end
  end
  -- Level-triggered: after a turn that leaves something, uv comes back, and runs its timers in between.
  poll:start("r", turn)
  -- Before uv sleeps and after it, with all that callbacks have opened and closed.
  for _, handle in ipairs({ prepare, check }) do
    handle:start(follow)
    handle:unref()
  end

  -- uv.run() asks whether anything is alive before its first round too, and after callbacks that come later than `check`.
  local run = uv.run
  local function run_both(mode)
    local alive, left
    repeat
      follow()
      alive = run(mode)
      left = not alive and not poll:is_closing() and referenced()
    until not left or (mode and mode ~= "default")
    return alive or left
  end
  uv.run = run_both

  return function()
    -- Where someone has wrapped ours it stays, and adds nothing any more.
    if uv.run == run_both then
      uv.run = run
    end
    for _, handle in ipairs({ poll, prepare, check }) do
      if not handle:is_closing() then
        handle:close()
      end
    end
  end
end)

---@param moonport table
---@param uv table|nil   luv, unless given
---@param step fun(): integer
---@param referenced fun(): boolean   does anything keep moonport.run() running?
---@return function|nil detach, string? message, string? name
return function(moonport, uv, step, referenced)
  if not uv then
    local found, module = pcall(require, "luv")
    if not found then
      return nil, "moonport.attach: luv is not there: " .. module, "not_found"
    end
    uv = module
  end
  return attach(step, moonport, uv, referenced)
end
