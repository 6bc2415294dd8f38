-- SPDX-License-Identifier: MIT OR Apache-2.0
-- libuv through luv: a poll handle on Moonport's descriptor. uv.run() returns when neither uv nor Moonport has anything
-- left: the handle counts for uv while something referenced is open in Moonport.
-- Thread: the one that owns the Lua state, and runs its loop. Lifetime: the handles are stopped by the last detach, and used
-- again by the next attach. They are not closed: luv (1.44) crashes if a state ends before uv has run after a close.

local poll, prepare, check, watched

local attach = require("moonport.host.shared")(function(turn, moonport, uv, referenced)
  local descriptor, message, name = moonport.descriptor()
  if not descriptor then
    return nil, message, name
  end
  -- Another one in a forked child; and uv.walk closes what is the program's and what is ours. The descriptor is a socket on
  -- Windows, and any will do elsewhere.
  if watched ~= descriptor or poll:is_closing() or prepare:is_closing() or check:is_closing() then
    poll, prepare, check = assert(uv.new_socket_poll(descriptor)), uv.new_prepare(), uv.new_check()
    watched = descriptor
  end
  local function follow()
    local set = referenced() and poll.ref or poll.unref
    set(poll)
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
      left = not alive and poll:is_active() and referenced()
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
        handle:stop()
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
