-- SPDX-License-Identifier: MIT OR Apache-2.0
-- cqueues: a coroutine of the controller waits for Moonport's descriptor and runs the turns.
-- Thread: the one that owns the Lua state, and runs the controller. Lifetime: the coroutine keeps controller:loop()
-- running until detach.

---@param controller table|nil   a controller; unless given, the one that runs
---@param step fun(): integer
---@return function|nil detach, string? message, string? name
return function(_, controller, step)
  local found, cqueues = pcall(require, "cqueues")
  if not found then
    return nil, "moonport.attach: cqueues is not there: " .. cqueues, "not_found"
  end
  -- The module itself tells no more than its name does.
  if controller == nil or controller == cqueues then
    controller = cqueues.running()
  end
  if cqueues.type(controller) ~= "controller" then
    local what = "no cqueues controller runs here; give it one, as made by cqueues.new()"
    return nil, "moonport.attach: " .. what, "not_found"
  end
  local pollable, message, name = require("moonport.host.pollable")(step)
  if not pollable then
    return nil, message, name
  end
  local detached = require("cqueues.condition").new()

  controller:wrap(function()
    while not pollable.closed do
      cqueues.poll(pollable, detached)
      if not pollable.closed then
        pollable:step()
      end
    end
  end)
  return function()
    pollable:close()
    detached:signal()
  end
end
