-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Prints, for every misuse and failure: its name, "raised" or "gave", and what.

local moonport = require("moonport")

local function show(name, how, ...)
  local values = { ... }
  for at = 1, select("#", ...) do
    values[at] = tostring(values[at])
  end
  print(table.concat({ name, how, table.concat(values, "|") }, "\t"))
end

local function outcome(name, ok, ...)
  show(name, ok and "gave" or "raised", ...)
end

local function try(name, fn, ...)
  outcome(name, pcall(fn, ...))
end

local function start(options)
  local server = moonport.http(options)
  local url, message, name = server:start()
  if url then
    server:stop(0)
    return "started"
  end
  return nil, message, name
end

local first = moonport.http()
local url = assert(first:start())
try("address in use", start, { address = url:match("//(.*)") })
try("not loopback", start, { address = "0.0.0.0:0" })
try("not loopback 6", start, { address = "[::]:0" })
try("remote allowed", start, { address = "0.0.0.0:0", allow_remote = true })
try("no port", start, { address = "127.0.0.1" })
try("bad origin", start, { origins = { "localhost" } })
try("bad host", start, { hosts = { "a/b" } })
try("unknown option", moonport.http, { adress = "127.0.0.1:0" })
try("unknown limit", moonport.http, { limits = { heads = 1 } })
try("limits type", moonport.http, { limits = 7 })
try("options type", moonport.http, "127.0.0.1:0")
try("short token", moonport.http, { token = "short" })
try("deadline type", moonport.http, { deadline = "soon" })
try("deadline sign", moonport.http, { deadline = -1 })
try("max_body type", moonport.http, { max_body = 1.5 })
local server = moonport.http({ token = ("t"):rep(32) })
local function handler() end
try("client type", moonport.http, { client = "yes" })
try("client taken", function()
  return moonport.http({ client = true }):get("/moonport.js", handler):start()
end)
try("own token", function()
  return server.token
end)
try("no token", function()
  return moonport.http({ token = false }).token
end)
try("unknown route option", server.get, server, "/", handler, { max_boddy = 1 })
try("route token", server.get, server, "/", handler, { token = true })
try("route content", server.get, server, "/", handler, { content = "xml" })
try("no handler", server.get, server, "/")
try("bad path", server.get, server, "items", handler)
try("bad method", server.route, server, "G T", "/", handler)
try("first route", function()
  return server:get("/x", handler) == server
end)
try("same route", server.get, server, "/x", handler)
try("no folder", server.static, server, "/x", "/no/such/folder")
try("not a server", server.start, {})
try("link stopped", server.link, server)
try("late route", first.get, first, "/late", handler)
try("start twice", function()
  return first:start() == url
end)
first:stop()
try("stop twice", first.stop, first)
try("port is free again", start, { address = url:match("//(.*)") })
try("open", function()
  return #moonport.report()
end)
