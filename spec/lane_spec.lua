-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Lanes: plain send() and recv() on a port's descriptor. Needs LuaJIT's FFI; the C tests cover the other flavours.
local spec = ...
local moonport = require("moonport")
local test, equal, match, handler = spec.test, spec.equal, spec.match, spec.handler
local has_ffi, ffi = pcall(require, "ffi")
if not has_ffi then
  return
end
ffi.cdef([[
  long send(int descriptor, const void *data, size_t size, int flags);
  long recv(int descriptor, void *data, size_t size, int flags);
]])
local C = spec.C
local DONTWAIT, EAGAIN, EPIPE, EMSGSIZE = 0x40, 11, 32, 90

local function send(descriptor, text)
  if tonumber(C.send(descriptor, text, #text, DONTWAIT)) == #text then
    return 0
  end
  return ffi.errno()
end

local function recv(descriptor)
  local buffer = ffi.new("char[?]", 4096)
  local length = tonumber(C.recv(descriptor, buffer, 4096, DONTWAIT))
  return length >= 0 and ffi.string(buffer, length) or nil
end

local function drain()
  while moonport.step() > 0 do
  end
end

test("a datagram becomes a message in the port's codec, and the answer goes back", function()
  for codec, text in pairs({ raw = "any\0bytes", json = '{"a":[1,2]}', msgpack = "\129\161a\146\1\2" }) do
    local port = moonport.port({ codec = codec })
    local descriptor = assert(port:descriptor())
    equal(port:descriptor(), descriptor)
    local count = 0
    port:on(handler(function(value, message)
      count = count + 1
      if codec == "raw" then
        equal(value, text)
      else
        equal(value.a[2], 2)
      end
      equal(message.reply(value), true)
      local ok, _, name = message.reply(value)
      equal(ok, nil)
      equal(name, "invalid")
    end))
    equal(send(descriptor, text), 0)
    drain()
    equal(count, 1)
    equal(recv(descriptor), text)
    equal(port:stats().delivered, 1)
    port:close()
    equal(send(descriptor, text), EPIPE)
  end
end)

test("a malformed datagram is reported and dropped, the next one arrives", function()
  local port = moonport.port({ name = "spec: lane", codec = "json" })
  local descriptor = port:descriptor()
  local reports, got = {}, {}
  moonport.on_error(function(message, info)
    reports[#reports + 1] = info.kind .. " " .. info.name .. " " .. message
  end)
  port:on(function(value)
    got[#got + 1] = value
  end)
  equal(send(descriptor, "{"), 0)
  equal(send(descriptor, "2"), 0)
  drain()
  equal(#reports, 1)
  match(reports[1], '^lane spec: lane port "spec: lane": malformed JSON: .* at byte 1$')
  equal(#got, 1)
  equal(got[1], 2)
  equal(port:stats().dropped, 1)
  port:close()
end)

test("a full port leaves datagrams to the kernel and loses none", function()
  local port = moonport.port({ capacity = 2 })
  local descriptor = port:descriptor()
  local sent, code = 0, 0
  repeat
    code = send(descriptor, tostring(sent + 1))
    sent = sent + (code == 0 and 1 or 0)
    moonport.step()
  -- Windows holds nobody back: a lane has room for so much there, and what exceeds it is lost.
  until code ~= 0 or spec.is_windows and sent == 100
  equal(code, spec.is_windows and 0 or EAGAIN)
  local got = 0
  port:on(function(value)
    got = got + 1
    equal(value, tostring(got))
  end)
  drain()
  equal(got, sent)
  port:close()
end)

test("what is too large is refused, never split", function()
  local port = moonport.port()
  local descriptor = port:descriptor()
  equal(send(descriptor, ("x"):rep(16 * 1024 * 1024)), EMSGSIZE)
  local large = ("y"):rep(spec.is_windows and 65000 or 100000)
  equal(send(descriptor, large), 0)
  local ok, value = port:receive(1)
  equal(ok, true)
  equal(value, large)
  port:close()
end)

test("receive waits for a datagram, in a spawned function too", function()
  local port = moonport.port({ codec = "json" })
  local descriptor = port:descriptor()
  local ok, _, name = port:receive(0.01)
  equal(ok, false)
  equal(name, "timeout")
  local got
  moonport.spawn(function()
    local _, value = port:receive(10)
    got = value
  end)
  equal(send(descriptor, "[7]"), 0)
  drain()
  equal(got[1], 7)
  moonport.after(0.01, function()
    send(descriptor, "8")
  end)
  port:on(function(value)
    got = value
    moonport.stop()
  end)
  moonport.run()
  equal(got, 8)
  port:close()
end)

test("what waits in a lane at close is counted", function()
  local port = moonport.port()
  local descriptor = port:descriptor()
  send(descriptor, "1")
  send(descriptor, "2")
  port:close()
  equal(port:stats().dropped, 2)
  local number, _, name = port:descriptor()
  equal(number, descriptor)
  equal(name, nil)
end)

test("the descriptor of the state is readable just while a lane has something for a handler", function()
  local state = moonport.descriptor()
  -- At once where the kernel watches lanes; where a thread does, it takes a moment.
  local function readable(milliseconds)
    return spec.readable(state, milliseconds)
  end
  local port = moonport.port()
  local descriptor = port:descriptor()
  send(descriptor, "1")
  moonport.step()
  equal(readable(), false)
  port:on(function() end)
  equal(readable(5000), true)
  drain()
  equal(readable(), false)
  send(descriptor, "2")
  equal(readable(5000), true)
  drain()
  equal(readable(), false)
  port:close()
end)
