-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The server that websocket.test.mjs calls: prints its URL and its token, then a line for what happens. Sockets on /control say
-- what to do. arg[1] is "stop", "exit" or "leave": how it ends when it is told to.

local moonport = require("moonport")
local how = arg[1] or "stop"
local server = moonport.http({ origins = { "http://page.example" } })

local function say(...)
  print(table.concat({ ... }, " "))
  io.stdout:flush()
end

local function read(file, what)
  local content = file:read(what)
  file:close()
  return content
end

-- The descriptors and threads of this process. Not its pipes: popen may still have both ends of its own.
local function held()
  local process = read(assert(io.open("/proc/self/stat")), "*n")
  local status = read(assert(io.open("/proc/self/status")), "*a")
  local descriptors = read(assert(io.popen("ls /proc/" .. process .. "/fd -l 2>/dev/null | grep -vc pipe:")), "*n")
  return descriptors .. " " .. status:match("Threads:%s*(%d+)")
end

moonport.on_error(function(message, info)
  say("error", info.kind, tostring(info.name), (message:gsub("\n.*", "")))
end)

for _, codec in ipairs({ "raw", "json", "msgpack" }) do
  server:websocket("/" .. codec, {
    message = function(socket, data, kind)
      assert(socket:send(data, codec == "raw" and kind or nil))
    end,
  }, { codec = codec, protocols = { "v1" } })
end

server:websocket("/rooms/{room}", {
  open = function(socket, request)
    local params, query = request.params, request.query
    socket:send({ "welcome", params.room, query.name or "nobody", request.headers["x-one"] or "", request:aborted() })
  end,
  message = function(socket, data)
    if data.sleep then
      moonport.sleep(data.sleep)
    end
    if data.fail then
      error("failed on purpose")
    end
    if data.close then
      socket:close(data.close, data.reason)
      local ok, _, name = socket:send("late")
      say("after close", tostring(ok), name)
      return
    end
    assert(socket:send(data))
  end,
  close = function(_, code, reason)
    say("close", code, reason)
  end,
}, { codec = "json", token = false })

-- What sockets that are kept know at any later time.
local kept
server:websocket("/kept", {
  open = function(socket)
    kept = socket
  end,
  message = function() end,
  close = function(socket, code)
    local ok, _, name = socket:send("x")
    say("kept", tostring(socket == kept), code, tostring(ok), name)
  end,
}, { token = false })
server:post("/kept", function(request)
  local sent, message, name = kept:send(request.body)
  return { sent or false, message or moonport.null, name or moonport.null }
end)
server:post("/flood", function()
  local piece, count = ("x"):rep(65536), 0
  while true do
    local ok, _, name = kept:send(piece)
    if not ok then
      return { count, name }
    end
    count = count + 1
  end
end)

-- Nothing in Lua holds on to these sockets.
local opened = 0
server:websocket("/many", {
  open = function()
    opened = opened + 1
    collectgarbage()
  end,
  message = function(socket, data)
    collectgarbage()
    socket:send(data .. " of " .. opened)
  end,
}, { token = false })

server:get("/stats", function()
  return server:stats()
end)

-- A child of fork tells its parent by its exit status what it got; only LuaJIT can fork.
server:post("/fork", function()
  local has_ffi, ffi = pcall(require, "ffi")
  if not has_ffi then
    return "forked"
  end
  ffi.cdef("int fork(void); int waitpid(int, int *, int); void _exit(int);")
  local child = ffi.C.fork()
  if child == 0 then
    local _, _, sent = kept:send("from the child")
    local _, _, closed = kept:close()
    ffi.C._exit(sent == "forked" and closed == "forked" and 42 or 1)
  end
  local status = ffi.new("int[1]")
  ffi.C.waitpid(child, status, 0)
  return status[0] == 42 * 256 and "forked" or "status " .. status[0]
end)

local function raises(fn, ...)
  local ok, message = pcall(fn, ...)
  return ok and "no error" or message
end
server:websocket("/misuse", {
  message = function(socket, data)
    local cases = {
      send = function()
        return raises(socket.send, socket)
      end,
      value = function()
        return raises(socket.send, socket, {})
      end,
      kind = function()
        return raises(socket.send, socket, "x", "texts")
      end,
      utf8 = function()
        return raises(socket.send, socket, "\255", "text")
      end,
      code = function()
        return raises(socket.close, socket, 1006)
      end,
      reason = function()
        return raises(socket.close, socket, 1000, ("x"):rep(124))
      end,
      colon = function()
        return raises(socket.send, "x")
      end,
      large = function()
        return select(3, socket:send(("x"):rep(1048577)))
      end,
    }
    socket:send(cases[data]())
  end,
}, { token = false })

server:websocket("/control", {
  message = function(_, what)
    if what == "stop" then
      if how == "exit" then
        os.exit(0, true)
      elseif how == "leave" then
        moonport.stop()
        return
      end
      server:stop(2)
      say("stopping")
    end
  end,
}, { token = false })

for _, case in ipairs({
  { "no handlers", "/x" },
  { "no message", "/x", {} },
  { "unknown handler", "/x", { message = print, mesage = print } },
  { "not a function", "/x", { message = 1 } },
  { "codec", "/x", { message = print }, { codec = "xml" } },
  { "token", "/x", { message = print }, { token = true } },
  { "protocols", "/x", { message = print }, { protocols = { "a b" } } },
  { "a token as protocol", "/x", { message = print }, { protocols = { "moonport.token.x" } } },
  { "unknown option", "/x", { message = print }, { codecs = "raw" } },
  { "path", "x", { message = print } },
  { "exists", "/raw", { message = print } },
}) do
  say("refused", case[1] .. ":", raises(server.websocket, server, case[2], case[3], case[4]))
end

local before = held()
say(assert(server:start()))
say(server.token)
moonport.run()
local after = held()
say("over", after == before and "nothing is left" or before .. " became " .. after)
