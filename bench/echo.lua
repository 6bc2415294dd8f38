-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Answers each POST / with the JSON that came: what bench/http-cpu measures. Prints its address.
--   moonport run bench/echo.lua [address]
local moonport = require "moonport"

local server = moonport.http { address = arg[1] or "127.0.0.1:0", token = false }
server:post("/", function(request)
  return request.data
end, { content = "json" })

print(assert(server:start()))
io.stdout:flush()
moonport.run()
