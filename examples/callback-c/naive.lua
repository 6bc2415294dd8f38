-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The same program with LuaJIT's own callbacks. IT CRASHES: the server's thread enters the Lua state while this thread is
-- in it. Never do this; it is here to be counted by tests/examples.
--   naive.lua LIBRARY [PORT]
local ffi = require("ffi")

ffi.cdef([[
typedef void (*server_on_request)(const char *path, const char *body, size_t size, void *user);
typedef size_t (*server_on_answer)(const char *path, char *buffer, size_t capacity, void *user);
struct server *server_start(int port, server_on_request on_request, server_on_answer on_answer, void *user);
int server_port(const struct server *server);
void server_stop(struct server *server);
int poll(void *descriptors, unsigned long count, int milliseconds);
]])

local library, port = ...
local C = ffi.load(library)
local boards, stopped = {}, false

local on_request = ffi.cast("server_on_request", function(path, body, size)
  path, body = ffi.string(path), ffi.string(body, size)
  if path == "/stop" then
    stopped = true
    return
  end
  local notes = boards[path] or {}
  boards[path] = notes
  notes[#notes + 1] = body
  print(("%s: note %d, %d bytes"):format(path, #notes, #body))
end)

local on_answer = ffi.cast("server_on_answer", function(path, buffer, capacity)
  local text = table.concat(boards[ffi.string(path)] or { "no notes" }, "\n")
  local size = math.min(#text, tonumber(capacity))
  ffi.copy(buffer, text, size)
  return size
end)

local server = C.server_start(tonumber(port) or 0, on_request, on_answer, nil)
if server == nil then
  error("the server cannot start: errno " .. ffi.errno())
end
io.stdout:setvbuf("line")
print("open http://127.0.0.1:" .. C.server_port(server))

-- What a program with a window does: Lua runs in every frame, makes tables and strings, and then it waits a little.
while not stopped do
  local rows = {}
  for i = 1, 200 do
    rows[i] = { text = "row " .. i }
  end
  ffi.C.poll(nil, 0, 1)
end
C.server_stop(server)
print("stopped")
