-- A program on a Unix socket, for native messaging: lua native.lua SOCKET ORIGIN [token]
local moonport = require "moonport"

local server = moonport.http {
  address = "unix:" .. arg[1],
  origins = { arg[2] },
  token = arg[3] ~= nil,
}
local running, peak, waiting = 0, 0, nil

server:post("/echo", function(request)
  running = running + 1
  peak = math.max(peak, running)
  moonport.sleep(0.001)
  running = running - 1
  return { n = request.data.n, origin = request.headers.origin, method = request.method }
end)
server:get("/peak", function()
  return peak
end)
server:get("/wait", function(request)
  waiting = request:defer()
end)
-- /wait comes on a connection of its own, and so may come later than what was sent after it.
local function arrived()
  while not waiting do
    moonport.sleep(0.001)
  end
end
server:get("/arrived", arrived)
server:get("/release", function()
  arrived()
  waiting "released"
  return moonport.response { status = 204 }
end)
server:get("/text", function(request)
  return ("x"):rep(tonumber(request.query.size))
end)
server:get("/bytes", function()
  return moonport.response { body = "\255", headers = { ["content-type"] = "image/png" } }
end)
server:post("/size", function(request)
  return #request.body
end)
server:post("/large", function(request)
  return #request.body
end, { max_body = 64 * 1024 * 1024 })

print(assert(server:start()))
io.stdout:flush()
moonport.run()
