-- SPDX-License-Identifier: MIT OR Apache-2.0
-- LÖVE: a message pushes an event into SDL's queue, which wakes love.event.wait; a turn runs after each love.event.pump
-- and love.event.wait. The event itself is not shown: a wait that it ended returns nothing.
-- Thread: LÖVE's main thread. Lifetime: the last detach puts the two functions back.

local attach = require("moonport.host.shared")(function(turn, moonport, event)
  local sdl, message, name = moonport.attach("sdl")
  if not sdl then
    return nil, message, name
  end
  -- Through arguments, so that nothing is made for an event.
  local function after_turn(...)
    turn()
    return ...
  end
  local pump, wait = event.pump, event.wait
  local function pump_both()
    return after_turn(pump())
  end
  local function wait_both()
    return after_turn(wait())
  end
  event.pump, event.wait = pump_both, wait_both

  return function()
    sdl:detach()
    -- Where someone has wrapped ours they stay, and add nothing any more.
    if event.pump == pump_both then
      event.pump = pump
    end
    if event.wait == wait_both then
      event.wait = wait
    end
  end
end)

---@param moonport table
---@param love table|nil   the global table, unless given
---@param step fun(): integer
---@return function|nil detach, string? message, string? name
return function(moonport, love, step)
  love = love or rawget(_G, "love")
  if not (love and love.event) then
    local what = "there is no love.event: this is not LÖVE, or its module is off"
    return nil, "moonport.attach: " .. what, "not_found"
  end
  return attach(step, moonport, love.event)
end
