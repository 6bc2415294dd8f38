-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The server that is attacked, with all limits as they are by default: prints its URL and its token. arg[1] is a file to
-- serve. The routes below /open need no token, so that attackers come as far as they can.

local moonport = require("moonport")
local file = arg[1]
local server = moonport.http()

local function same(request)
  return request.data
end

server:post("/ping", same)
server:post("/open", same, { token = false })
server:get("/open", function()
  return "here"
end, { token = false })
server:get("/open/file", function()
  return moonport.response({ file = file })
end, { token = false })
server:get("/stats", function()
  return server:stats()
end)

print(assert(server:start()))
print(server.token)
io.stdout:flush()
moonport.run()
