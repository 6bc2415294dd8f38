-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What an archive must be able to do where it is unpacked: messages, a request over TLS (tests/package/run asks), and the files
-- that belong to it.
local moonport = require("moonport")

for _, name in ipairs({ "types/moonport.lua", "include/moonport.h", "licences/LIBRARIES.txt", "INSTALL.md" }) do
  assert(io.open(name)):close()
end

local got, answered = 0, 0
local port = moonport.port()
port:on(function(value)
  got = got + value.n
end)
for _ = 1, 2000 do
  assert(port:send({ n = 1 }))
end

local server = moonport.http({ token = false, tls = true })
server:get("/", function()
  answered = answered + 1
  moonport.after(0, moonport.stop)
  return { got = got }
end)
print(assert(server:start()))
io.stdout:flush()
moonport.after(60, moonport.stop)
moonport.run()
server:stop()
port:close()
print(("delivered %d, answered %d"):format(got, answered))
