-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What the client of `moonport bench http` asks, and whether a server answers it: the bytes of requests, frames and messages.

local bit = require("bit")
local moonport = require("moonport")

local requests = {}

-- 200 bytes with strings, numbers, booleans, null, an array and an object in them.
local SMALL = '{"id":184467,"kind":"measurement","source":"sensor-17/north","values":[1.5,2.25,-3,40000,0.125],'
  .. '"valid":true,"note":null,"position":{"x":12.5,"y":-7.75,"z":100.5},"text":"the quick brown fox, \\"it\\""}'
assert(#SMALL == 200)

-- So many bytes: an array of objects like that, and a string that fills up.
local function large(size)
  local items = {}
  while #items * 201 + 250 < size do
    items[#items + 1] = (SMALL:gsub("184467", ("%d"):format(100000 + #items)))
  end
  local text = ('{"items":[%s],"rest":""}'):format(table.concat(items, ","))
  return (text:gsub('""}$', ('"%s"}'):format(("x"):rep(size - #text))))
end

local function get(port)
  return ("GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"):format(port)
end

local function post(body)
  return function(port)
    local head = "POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head:format(port, #body) .. body
  end
end

local function handshake(port)
  return ("GET /socket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"):format(port)
    .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
end

-- A text frame of 126 to 65,535 bytes as clients send them (RFC 6455 section 5.3).
local function frame(text)
  local mask = { 0x37, 0xfa, 0x21, 0x3d }
  local out = {}
  for at = 1, #text do
    out[at] = string.char(bit.bxor(text:byte(at), mask[(at - 1) % 4 + 1]))
  end
  local length = string.char(math.floor(#text / 256), #text % 256)
  return "\129\254" .. length .. string.char(unpack(mask)) .. table.concat(out)
end

local LARGE = large(65536)
assert(#LARGE == 65536)

-- request(port) gives the bytes; body is what a correct answer means, as text or as JSON.
requests.KINDS = {
  { name = "GET, 12 bytes", serves = "http", request = get, body = "Hello, world" },
  { name = "POST, JSON of 200 bytes", serves = "http", request = post(SMALL), body = SMALL, json = true },
  { name = "POST, JSON of 64 KiB", serves = "http", request = post(LARGE), body = LARGE, json = true },
  {
    name = "WebSocket echo, 200 bytes",
    serves = "socket",
    handshake = handshake,
    request = function()
      return frame(SMALL)
    end,
    body = SMALL,
  },
}

local function is_same(left, right)
  if type(left) ~= "table" or type(right) ~= "table" then
    return left == right
  end
  for key, value in pairs(left) do
    if not is_same(value, right[key]) then
      return false
    end
  end
  for key in pairs(right) do
    if left[key] == nil then
      return false
    end
  end
  return true
end

-- Does this body say what the kind wants? A server may write JSON as it likes.
function requests.is_right(kind, body)
  if not kind.json then
    return body == kind.body
  end
  local value = moonport.json.decode(body)
  return value ~= nil and is_same(value, moonport.json.decode(kind.body))
end

return requests
