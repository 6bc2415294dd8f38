-- SPDX-License-Identifier: MIT OR Apache-2.0
-- copas: a thread of its own reads from an object that is readable while Moonport has something to deliver.
-- Thread: the one that owns the Lua state, and runs copas. Lifetime: the copas thread ends with the first round of the
-- loop after detach. Newer versions then return from copas.loop(), if nothing else runs; 1.1 loops for ever.

---@param copas table|nil   copas, unless given
---@param step fun(): integer
---@return function|nil detach, string? message, string? name
return function(_, copas, step)
  if not copas then
    local found, module = pcall(require, "copas")
    if not found then
      return nil, "moonport.attach: copas is not there: " .. module, "not_found"
    end
    copas = module
  end
  local attached = false
  local pollable, message, name = require("moonport.host.pollable")(function()
    -- Older ones read within addthread. Handlers run in the loop, never within attach.
    return attached and step() or 0
  end)
  if not pollable then
    return nil, message, name
  end
  if copas.settimeouts then
    copas.settimeouts(pollable, math.huge, math.huge, math.huge) -- an idle Moonport is no error
  end

  copas.addthread(function()
    while not pollable.closed do
      copas.receive(pollable)
    end
  end)
  attached = true
  return function()
    pollable:close()
  end
end
