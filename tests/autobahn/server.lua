-- SPDX-License-Identifier: MIT OR Apache-2.0
-- An echo for the cases: prints its URL, and in the end how many sockets were opened, closed and had an error.

local moonport = require("moonport")
local opened, closed, errors = 0, 0, 0

moonport.on_error(function(message)
  errors = errors + 1
  io.stderr:write(message, "\n")
end)

local server = moonport.http({ limits = { message = 16 * 1024 * 1024 } })
server:websocket("/echo", {
  open = function()
    opened = opened + 1
  end,
  message = function(socket, data, kind)
    local ok, message, name = socket:send(data, kind)
    -- The client may have closed meanwhile.
    assert(ok or name == "closed", message)
  end,
  close = function()
    closed = closed + 1
  end,
}, { codec = "raw", token = false })
server:websocket("/end", { open = moonport.stop, message = function() end }, { token = false })

print((assert(server:start())))
io.stdout:flush()
moonport.run()
server:stop()
print(opened, closed, errors)
