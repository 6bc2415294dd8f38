-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Handles one message, and waits for the next one.

local moonport = require("moonport")
local port = moonport.port({ name = "lone" })
port:on(function(text)
  print(text)
  io.stdout:flush()
end)
port:send("one")
moonport.run()
