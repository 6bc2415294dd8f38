-- SPDX-License-Identifier: MIT OR Apache-2.0
-- copas: its loop wakes up for messages, beside its servers.
--   luajit tests/hosts/copas.lua
local common = dofile((arg[0]:match("^.*/") or "./") .. "common.lua")
local copas = require("copas")
local socket = require("socket")
local moonport, check, equal = common.moonport, common.check, common.equal

local stopping = false
local host = { name = "copas" }

function host.attach()
  return moonport.attach("copas")
end

function host.stop()
  stopping = true
end

-- As copas.loop(), which in older versions has no end.
function host.run()
  stopping = false
  while not stopping do
    copas.step()
  end
end

function host.pass(seconds)
  local deadline = socket.gettime() + seconds
  repeat
    copas.step(0.005)
  until socket.gettime() >= deadline
end

common.scenario(host)

-- Beside a server of copas's own.
local attachment = assert(moonport.attach(copas))
local server = assert(socket.bind("127.0.0.1", 0))
local _, number = server:getsockname()
copas.addserver(server, function(client)
  local line = copas.receive(client)
  copas.send(client, line:upper() .. "\n")
end)
local ticks, answer = 0, nil
local timer = moonport.every(0.005, function()
  ticks = ticks + 1
end)
copas.addthread(function()
  local client = socket.tcp()
  assert(copas.connect(client, "127.0.0.1", tonumber(number)))
  copas.send(client, "moonport\n")
  answer = copas.receive(client)
  client:close()
end)
local deadline = socket.gettime() + 10
repeat
  copas.step(1)
until answer and ticks >= 3 or socket.gettime() > deadline
equal(answer, "MOONPORT", "the answer of the server beside")
check(ticks >= 3, "%d ticks", ticks)

-- After detach the thread ends in the next round, which waits for nothing.
timer:cancel()
host.pass(0.05)
attachment:detach()
local begun = socket.gettime()
copas.step(10)
check(socket.gettime() - begun < 5, "the round after detach waits")
common.passed()
