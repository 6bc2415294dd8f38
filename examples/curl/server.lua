-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Something to download: a million numbered lines.
--   server.lua [PORT]      without a port the kernel picks one
local moonport = require("moonport")

local lines = {}
for number = 1, 1000000 do
  lines[number] = ("line %d\n"):format(number)
end
local body = table.concat(lines)

local server = moonport.http({ address = "127.0.0.1:" .. (... or 0), token = false })
server:get("/lines", function()
  return body
end)
print(assert(server:start()) .. "/lines")
io.stdout:flush()
moonport.run()
