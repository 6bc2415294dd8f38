-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The ways that arg[1] names to wait or to fail.

local moonport = require("moonport")
local way = arg[1]

local function cause()
  error("the script's own error")
end

if way == "error" then
  cause()
elseif way == "syntax" then
  assert((loadstring or load)("x ="))
end
local server = moonport.http({ token = false })
server:get("/stuck", function()
  print("stuck")
  io.stdout:flush()
  while true do
  end
end)
server:get("/there", function()
  return true
end)
server:get("/port", function()
  local port = moonport.port()
  local other = moonport.http()
  local url = other:start()
  port:close()
  other:stop(0)
  moonport.after(0.01, function()
    server:stop(0.5)
  end)
  return { url ~= nil }
end)
print(assert(server:start()))
io.stdout:flush()
if way == "stops" then
  server:stop()
  for _ = 1, 20 do
    local other = moonport.http()
    assert(other:start())
    other:stop()
    print("stopped")
    io.stdout:flush()
  end
  return
end
if way == "stuck" then
  while true do
  end
end
moonport.run()
