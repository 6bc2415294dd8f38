-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A server on the Unix socket arg[1], that prints what start and stop give, and failures.

local moonport = require("moonport")
local path = arg[1]
local address = "unix:" .. path

local function say(...)
  print(...)
  io.stdout:flush()
end

local server = moonport.http({ address = address })
server:get("/peer", function(request)
  return { request.peer, request.headers.host }
end)
server:get("/stop", function()
  moonport.stop()
  return "stopping"
end)
say(assert(server:start()))
say(server.token)
say(server:link())
say(moonport.http({ address = address }):start())
say(moonport.http({ address = "unix:" .. path .. ("x"):rep(200) }):start())
say(moonport.http({ address = "unix:/" }):start())
moonport.run()
server:stop()
say(io.open(path) == nil)
say(server:start())
-- Closing the state removes the file too.
