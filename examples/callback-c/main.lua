-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A board of notes behind a server in C, which calls back from its own thread. Both handlers run on this one.
--   main.lua LIBRARY [PORT]      the library that ./build has made; without a port the kernel picks one
local ffi = require("ffi")
local moonport = require("moonport")

-- server.h, as LuaJIT reads it.
ffi.cdef([[
typedef void (*server_on_request)(const char *path, const char *body, size_t size, void *user);
typedef size_t (*server_on_answer)(const char *path, char *buffer, size_t capacity, void *user);
struct server *server_start(int port, server_on_request on_request, server_on_answer on_answer, void *user);
int server_port(const struct server *server);
void server_stop(struct server *server);
]])

local library, port = ...
if not library then
  io.stderr:write("main.lua LIBRARY [PORT]\n")
  os.exit(2)
end
local C = ffi.load(library)
local boards = {} -- the notes of each path; no other thread ever sees this table, so it needs no lock

-- void: the server goes on at once, and the handler gets a copy of the body. "block": where Lua is 65536 notes behind, the
-- server waits for it; otherwise it would go on and the note would be dropped, and counted.
local on_request = moonport.callback(
  "void (*)(const char *path, const char *body, size_t size, void *user)",
  function(path, body, size)
    if path == "/stop" then
      return moonport.stop()
    end
    local notes = boards[path] or {}
    boards[path] = notes
    notes[#notes + 1] = body
    print(("%s: note %d, %d bytes"):format(path, #notes, size))
  end,
  { overflow = "block" }
)

-- Returning: the server waits until the handler has given the size and the text, which is then written into its buffer.
-- Where the handler fails or takes more than 5 s it gets the default: 0, no answer.
local on_answer = moonport.callback(
  "size_t (*)(const char *path, char *buffer @outbuf(capacity), size_t capacity, void *user)",
  function(path, capacity)
    local text = table.concat(boards[path] or { "no notes" }, "\n")
    return math.min(#text, capacity), text
  end,
  { default = 0 }
)

local server = C.server_start(tonumber(port) or 0, on_request.pointer, on_answer.pointer, nil)
if server == nil then
  error("the server cannot start: errno " .. ffi.errno())
end
io.stdout:setvbuf("line")
print("open http://127.0.0.1:" .. C.server_port(server))
moonport.run()

-- The server's thread may be waiting for an answer of ours, and server_stop waits for that thread: called directly the two
-- would wait for each other.
moonport.blocking(C.server_stop, server)
on_answer:close()
on_request:close({ drain = true }) -- what was posted last is still delivered
print("stopped")
