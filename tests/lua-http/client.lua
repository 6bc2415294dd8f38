-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The server that client.test.mjs and a browser speak to through moonport.js. Prints its URL, its token and a link, then a line
-- for what happens; what holds it goes on with the next line of stdin. arg[1]: how many requests may wait; arg[2]: "tls" or "plain";
-- arg[3]: an origin that may call.

local moonport = require("moonport")
local first = moonport.http({ token = false })
local url = assert(first:start())
first:stop(0)
local server = moonport.http({
  address = url:match("//(.*)"), -- the same after a stop
  origins = { arg[3] or "http://page.example" },
  queue = tonumber(arg[1]) or 1024,
  tls = arg[2] == "tls" or nil,
  client = true,
  max_body = 1000,
})
local events = server:events("/events", { history = 100 })

local function say(...)
  print(table.concat({ ... }, " "))
  io.stdout:flush()
end

server:post("/echo", function(request)
  local data = request.data
  return { data == nil, data == nil and moonport.null or data, #request.body, request.headers["content-type"] or "none" }
end)
server:post("/value/{name}", function(request)
  local values = {
    list = moonport.array({ 1, moonport.null }),
    null = moonport.null,
    text = "17",
    refusal = moonport.response({ status = 400, body = "no such boat" }),
  }
  return values[request.params.name]
end)
server:post("/fail", function()
  error("failed on purpose")
end)
moonport.on_error(function() end)
server:post("/hold", function(request)
  say("holds", request.data or "")
  io.read("*l")
  return request.data
end)
server:post("/emit", function(request)
  for _, value in ipairs(request.data) do
    events:send(value, type(value) == "table" and "table" or nil)
  end
end)

local sockets = 0
server:websocket("/live", {
  open = function(socket, request)
    sockets = sockets + 1
    socket:send({ "welcome", sockets, request.query.name })
  end,
  message = function(socket, data)
    if type(data) == "table" and data.close then
      socket:close(data.close, data.reason)
    else
      socket:send({ "got", data })
    end
  end,
  close = function(_, code, reason)
    say("close", code, reason)
  end,
}, { codec = "json", protocols = { "v1" } })
server:websocket("/raw", {
  message = function(socket, data, kind)
    socket:send(data, kind)
  end,
}, { codec = "raw" })

server:get("/page", function()
  return [[<!doctype html><title>client</title><link rel="icon" href="data:,"><p>A page of the server's own.]]
end)
server:post("/stop", function()
  moonport.stop()
end)

say(assert(server:start()))
say(server.token)
say(server:link("/page"))
while true do
  moonport.run()
  server:stop()
  say("stopped")
  events:send(assert(io.read("*l")))
  say(assert(server:start()))
end
