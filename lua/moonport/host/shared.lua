-- SPDX-License-Identifier: MIT OR Apache-2.0
-- One watcher for all attachments to a loop, where the loop takes only one for a descriptor. The turns are those of the
-- oldest attachment; the watcher is closed with the last one.
-- Thread: the one that owns the Lua state. Lifetime: as the attachments.

---@param open fun(turn: fun(), ...): function|nil, string?, string?   starts the watcher and gives what closes it
---@return fun(step: function, ...): function|nil, string?, string?  attach  the arguments after step are for open
return function(open)
  local steps, close = {}, nil

  local function turn()
    if steps[1] then
      steps[1]()
    end
  end

  local function detach(step)
    for i, other in ipairs(steps) do
      if other == step then
        table.remove(steps, i)
        return #steps == 0 and close()
      end
    end
  end

  return function(step, ...)
    if #steps == 0 then
      local message, name
      close, message, name = open(turn, ...)
      if not close then
        return nil, message, name
      end
    end
    table.insert(steps, step)
    return function()
      detach(step)
    end
  end
end
