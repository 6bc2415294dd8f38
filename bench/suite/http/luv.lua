-- SPDX-License-Identifier: MIT OR Apache-2.0
-- moonport.lua's server written by hand on luv, with lua-cjson: the least that serves this benchmark's client. It checks
-- nothing, and knows neither chunks nor pipelining.
local cjson = require("cjson")
local uv = require("luv")

local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"

local function serve(client)
  local held = ""
  client:read_start(function(failed, bytes)
    if failed or not bytes then
      return client:close()
    end
    held = held .. bytes
    local _, head = held:find("\r\n\r\n", 1, true)
    if not head then
      return
    end
    local length = tonumber(held:sub(1, head):lower():match("\r\ncontent%-length: *(%d+)")) or 0
    if #held < head + length then
      return
    end
    local kind, body = "text/plain; charset=utf-8", "Hello, world"
    if held:sub(1, 5) == "POST " then
      kind, body = "application/json", cjson.encode(cjson.decode(held:sub(head + 1)))
    end
    held = ""
    client:write(HEAD:format(kind, #body, body))
  end)
end

local server = uv.new_tcp()
assert(server:bind("127.0.0.1", 0))
assert(server:listen(128, function(failed)
  assert(not failed, failed)
  local client = uv.new_tcp()
  server:accept(client)
  client:nodelay(true)
  serve(client)
end))
print("http://127.0.0.1:" .. server:getsockname().port)
io.stdout:flush()
uv.run()
