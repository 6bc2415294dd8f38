-- SPDX-License-Identifier: MIT OR Apache-2.0
-- GET /block blocks the Lua thread until a line comes on stdin; POST /item gives its id back and is counted.
local moonport = require("moonport")

local server = moonport.http({ token = false, max_connections = 2200 })
local count = 0
server:get("/block", function()
  print("blocked")
  io.stdout:flush()
  io.read()
  return { ok = true }
end)
server:post("/item", function(request)
  count = count + 1
  return { id = request.data.id }
end, { content = "json" })
server:get("/count", function()
  return { count = count }
end)

print(assert(server:start()))
io.stdout:flush()
moonport.run()
