-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Moonport as an object that loops for sockets can wait for: readable exactly while step() would run something, timers too.
-- LuaSocket's select looks for getfd and dirty, copas for receive as well, cqueues for pollfd, events and timeout.
-- With LuaSocket alone:
--   local pollable = require("moonport.host.pollable")()
--   while true do
--     socket.select({ pollable }, nil, pollable:timeout())
--     pollable:step()
--   end
-- Thread: the owner. Lifetime: it holds nothing; the descriptor is Moonport's and lives as long as the Lua state.
local moonport = require("moonport")

---@class moonport.Pollable
---@field descriptor integer
---@field closed boolean
---@field turn fun(): integer
local Pollable = {}
Pollable.__index = Pollable

---@return integer
function Pollable:fileno()
  return self.descriptor
end

Pollable.getfd, Pollable.pollfd = Pollable.fileno, Pollable.fileno

---@return "r"
function Pollable:events()
  return "r"
end

---Seconds until the next timer is due, or nil. The descriptor covers it: a loop need not ask.
---@return number|nil
function Pollable:timeout()
  return moonport.timeout()
end

---Readable without a look at the descriptor? After close(), so that a loop lets go of it.
---@return boolean
function Pollable:dirty()
  return self.closed
end

---Delivers what waits, at most one turn.
---@return integer delivered
function Pollable:step()
  return self.turn()
end

---As a socket that never waits.
function Pollable:settimeout()
  return 1
end

---As a socket that has no data: delivers what waits, and tells the loop to come back when it is readable again.
---@return nil, "timeout"|"closed"
function Pollable:receive()
  if not self.closed then
    self:step()
  end
  return nil, self.closed and "closed" or "timeout"
end

function Pollable:close()
  self.closed = true
  return 1
end

---@param step? fun(): integer  moonport.step, unless said
---@return moonport.Pollable|nil, string? message, string? name
return function(step)
  local descriptor, message, name = moonport.descriptor()
  if not descriptor then
    return nil, message, name
  end
  local fields = { descriptor = descriptor, closed = false, turn = step or moonport.step }
  return setmetatable(fields, Pollable)
end
