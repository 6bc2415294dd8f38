-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The server of `moonport bench http`: GET / gives a text, POST / the JSON that came, through tables of Lua, and /socket echoes
-- text. The others in this folder do the same. Prints its address.
--   moonport run moonport.lua [address]
local moonport = require("moonport")

local server = moonport.http({ address = arg[1] or "127.0.0.1:0", token = false })

server:get("/", function()
  return "Hello, world"
end)

server:post("/", function(request)
  return request.data
end, { content = "json" })

server:websocket("/socket", {
  message = function(socket, text)
    socket:send(text)
  end,
})

print(assert(server:start()))
io.stdout:flush()
moonport.run()
