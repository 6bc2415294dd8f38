-- SPDX-License-Identifier: MIT OR Apache-2.0
-- moonport.lua's server with lua-http, which runs on cqueues, and lua-cjson.
local cjson = require("cjson")
local headers = require("http.headers")
local http = require("http.server")
local websocket = require("http.websocket")

local function echo(stream, head)
  local socket = websocket.new_from_stream(stream, head)
  assert(socket:accept())
  for text in socket:each() do
    socket:send(text, "text")
  end
end

local function reply(stream, head)
  if head:get("upgrade") then
    return echo(stream, head)
  end
  local kind, body = "text/plain; charset=utf-8", "Hello, world"
  if head:get(":method") == "POST" then
    kind, body = "application/json", cjson.encode(cjson.decode(assert(stream:get_body_as_string())))
  end
  local answer = headers.new()
  answer:append(":status", "200")
  answer:append("content-type", kind)
  answer:append("content-length", tostring(#body))
  stream:write_headers(answer, false)
  stream:write_chunk(body, true)
end

local server = assert(http.listen({
  host = "127.0.0.1",
  port = 0,
  onstream = function(_, stream)
    reply(stream, assert(stream:get_headers()))
  end,
  -- A client that leaves.
  onerror = function() end,
}))
assert(server:listen())
local _, _, port = server:localname()
print("http://127.0.0.1:" .. port)
io.stdout:flush()
assert(server:loop())
