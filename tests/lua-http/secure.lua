-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A server with the self-signed certificate, and one with the files arg[1] and arg[2]; then failures, and misuse.

local moonport = require("moonport")

local function say(...)
  print(...)
  io.stdout:flush()
end

local own = moonport.http({ tls = true })
own:get("/", function(request)
  return { request.headers.host:match("^[^:]*"), request.peer:match("^[%d.]*") }
end)
own:get("/stop", function()
  moonport.stop()
  return "stopping"
end)
say(assert(own:start()))
say(own.token)
say(own:link("/"))
local files = moonport.http({ tls = { certificate = arg[1], key = arg[2] }, token = false })
files:get("/", function()
  return "from files"
end)
say(assert(files:start()))

say(moonport.http({ tls = { certificate = arg[2], key = arg[2] } }):start())
say(moonport.http({ tls = { certificate = arg[1], key = "/no/such/key.pem" } }):start())
say(moonport.http({ tls = true, address = "unix:/tmp/moonport-never" }):start())
say(pcall(moonport.http, { tls = false }))
say(pcall(moonport.http, { tls = { certificate = arg[1] } }))
say(pcall(moonport.http, { tls = { certificat = arg[1], key = arg[2] } }))
moonport.run()
own:stop()
files:stop()
