-- SPDX-License-Identifier: MIT OR Apache-2.0
-- LuaSocket's select alone: a loop of one's own around the pollable, beside a socket.
--   luajit tests/hosts/luasocket.lua
local common = dofile((arg[0]:match("^.*/") or "./") .. "common.lua")
local socket = require("socket")
local moonport, check, equal = common.moonport, common.check, common.equal

-- Nothing to attach to: what stands for it decides whether the loop looks.
local pollables = {}
local stopping = false
local host = { name = "luasocket" }

function host.attach()
  local pollable = assert(require("moonport.host.pollable")())
  pollables[#pollables + 1] = pollable
  return {
    host = function()
      return "luasocket"
    end,
    detach = function()
      for i, other in ipairs(pollables) do
        if other == pollable then
          table.remove(pollables, i)
        end
      end
    end,
  }
end

local function round(seconds)
  local timeout = pollables[1] and pollables[1]:timeout()
  if seconds then
    timeout = math.min(timeout or seconds, seconds)
  end
  for _, pollable in ipairs((socket.select(pollables, nil, timeout))) do
    pollable:step()
  end
end

function host.run()
  stopping = false
  while not stopping do
    round()
  end
end

function host.stop()
  stopping = true
end

function host.pass(seconds)
  local deadline = socket.gettime() + seconds
  repeat
    round(0.005)
  until socket.gettime() >= deadline
end

common.scenario(host)

local pollable = assert(require("moonport.host.pollable")())
equal(pollable:fileno(), moonport.descriptor(), "fileno")
equal(pollable:timeout(), nil, "no timer is set")
local udp = assert(socket.udp())
assert(udp:setsockname("127.0.0.1", 0))
local address, number = udp:getsockname()
local port = moonport.port()
port:on(function() end)
port:send("a message")
local readable = socket.select({ udp, pollable }, nil, 5)
check(readable[pollable] and not readable[udp], "only the pollable is readable")
equal(pollable:step(), 1, "delivered")
assert(udp:sendto("a datagram", address, number))
readable = socket.select({ udp, pollable }, nil, 5)
check(readable[udp] and not readable[pollable], "only the socket is readable")
local timer = moonport.after(3, print)
local left = pollable:timeout()
check(left > 2 and left <= 3, "timeout(): %g", left)
timer:cancel()
port:close()
common.passed()
