-- SPDX-License-Identifier: MIT OR Apache-2.0
-- moonport.attach to GLib and SDL themselves, without windows and without other threads: through LuaJIT's FFI, which other
-- Luas do not have. After it both libraries are loaded, so it comes after the specs that want them absent.
local spec = ...
local moonport = require("moonport")
local test, equal, match, handler = spec.test, spec.equal, spec.match, spec.handler

if not rawget(_G, "jit") then
  return
end

local ffi = require("ffi")
ffi.cdef([[
  int g_main_context_iteration(void *context, int may_block);
  int SDL_Init(uint32_t flags);
  void SDL_Quit(void);
  int SDL_WaitEventTimeout(void *event, int milliseconds);
  int SDL_PeepEvents(void *events, int count, int action, uint32_t from, uint32_t to);
  int SDL_PushEvent(void *event);
  void SDL_FlushEvents(uint32_t from, uint32_t to);
  int setenv(const char *name, const char *value, int overwrite);
  typedef struct lua_State lua_State;
  lua_State *luaL_newstate(void);
  void luaL_openlibs(lua_State *state);
  int luaL_loadstring(lua_State *state, const char *code);
  int lua_pcall(lua_State *state, int arguments, int results, int handler);
  const char *lua_tolstring(lua_State *state, int index, size_t *length);
  void lua_close(lua_State *state);
  int fork(void);
  int waitpid(int process, int *status, int options);
  void _exit(int status);
]])
local glib = ffi.load("libglib-2.0.so.0")

-- So that a test that fails does not hang: seconds of work, not of sleep.
local PATIENCE = 5

local function iterate(may_block)
  return glib.g_main_context_iteration(nil, may_block)
end
-- Compiled, it would be the hot loop that is a test of its own.
jit.off(iterate)

-- Runs GLib's default context until done() says so. A timer wakes it in time to give up.
local function run_glib(done)
  local over = false
  local timer = moonport.after(PATIENCE, function()
    over = true
  end)
  while not done() and not over do
    iterate(1)
  end
  timer:cancel()
  assert(not over, "it did not come to an end")
end

local function settle()
  while iterate(0) ~= 0 do
  end
end

test("auto finds GLib; its loop runs handlers, timers and tasks", function()
  local attachment = assert(moonport.attach())
  equal(attachment:host(), "glib")
  local port, got = moonport.port(), {}
  port:on(handler(function(value)
    got[#got + 1] = value
    moonport.sleep(0.001)
    got[#got + 1] = "slept"
    moonport.after(0.001, handler(function()
      got[#got + 1] = "timer"
    end))
  end))
  port:send("message")
  run_glib(function()
    return #got == 3
  end)
  equal(table.concat(got, " "), "message slept timer")
  port:close()
  attachment:detach()
end)

test("after detach GLib's loop finds nothing of ours", function()
  local attachment = assert(moonport.attach("gtk"))
  equal(attachment:host(), "glib")
  local port, got = moonport.port(), 0
  port:on(handler(function()
    got = got + 1
    if got == 2 then
      attachment:detach()
    end
  end))
  for i = 1, 5 do
    port:send(i)
  end
  settle()
  equal(got, 2)
  equal(port:stats().waiting, 3)
  attachment:detach()
  local again = assert(moonport.attach("wx"))
  settle()
  equal(got, 5)
  again:detach()
  port:close()
end)

test("each turn of GLib's keeps to the budget of its attachment", function()
  local attachment = assert(moonport.attach("glib", { max_messages = 3, budget = 10 }))
  local port, got = moonport.port(), 0
  port:on(handler(function()
    got = got + 1
  end))
  for i = 1, 7 do
    port:send(i)
  end
  for _, wanted in ipairs({ 3, 6, 7 }) do
    iterate(0)
    equal(got, wanted)
  end
  attachment:detach()
  port:close()
end)

test("handlers open GLib loops in each other, at most 16 deep, in order, and the deepest loop sleeps", function()
  local attachment = assert(moonport.attach("glib"))
  local port, depth, deepest, order, idle = moonport.port(), 0, 0, {}, nil
  port:on(handler(function(value)
    order[#order + 1] = value
    depth = depth + 1
    deepest = math.max(deepest, depth)
    if value == 16 then
      port:send("for later")
      idle = iterate(0)
    elseif value ~= "for later" then
      port:send(value + 1)
      iterate(1)
    end
    depth = depth - 1
  end))
  port:send(1)
  run_glib(function()
    return depth == 0 and #order == 17
  end)
  equal(deepest, 16)
  equal(idle, 0, "a readable descriptor whose turn cannot begin is not looked at")
  equal(table.concat(order, " "), "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 for later")
  attachment:detach()
  port:close()
end)

test("an error in a handler does not leave through GLib's frames", function()
  local attachment = assert(moonport.attach("glib"))
  local port, told = moonport.port({ name = "spec-glib" }), {}
  moonport.on_error(handler(function(message, info)
    told[#told + 1] = info.name .. ": " .. message
  end))
  port:on(handler(function(value)
    error(value, 0)
  end))
  port:send("one")
  port:send("two")
  settle()
  equal(table.concat(told, ", "), "spec-glib: one, spec-glib: two")
  attachment:detach()
  port:close()
end)

-- In a hot loop LuaJIT compiles the call of GLib, and Lua cannot be entered below it.
local function hot_loop(port, done)
  for i = 1, 3000 do
    glib.g_main_context_iteration(nil, 0)
    if i == 1000 then
      port:send("x")
    elseif done() then
      return "at once"
    end
  end
  return "waits"
end

test("in a compiled loop messages wait for the next safe moment, and the report names moonport.call once", function()
  local attachment = assert(moonport.attach("glib"))
  local port, got, told = moonport.port(), 0, {}
  moonport.on_error(handler(function(message, info)
    told[#told + 1] = info.kind .. ": " .. message
  end))
  port:on(handler(function()
    got = got + 1
  end))
  local how = hot_loop(port, function()
    return got > 0
  end)
  moonport.call(settle)
  equal(got, 1)
  equal(how, jit.status() and "waits" or "at once")
  equal(#told, jit.status() and 1 or 0)
  match(told[1] or "unsafe: moonport.call", "^unsafe: .*moonport.call")
  attachment:detach()
  port:close()
end)

test("the same in a coroutine", function()
  local co = coroutine.create(function()
    local attachment = assert(moonport.attach("glib"))
    local port, got = moonport.port(), 0
    port:on(handler(function()
      got = got + 1
    end))
    hot_loop(port, function()
      return got > 0
    end)
    moonport.call(settle)
    attachment:detach()
    port:close()
    return got
  end)
  local ok, got = coroutine.resume(co)
  equal(ok and got, 1)
end)

local function in_state(state, code)
  if ffi.C.luaL_loadstring(state, code) ~= 0 or ffi.C.lua_pcall(state, 0, 0, 0) ~= 0 then
    error(ffi.string(ffi.C.lua_tolstring(state, -1, nil)))
  end
end
jit.off(in_state)

test("two states in a process each have their own source, and closing one while attached leaves the other", function()
  if package.preload.moonport then
    return -- built in: other states do not find it
  end
  local attachment = assert(moonport.attach("glib"))
  local port, got = moonport.port({ name = "spec-first" }), 0
  port:on(handler(function()
    got = got + 1
  end))
  for round = 1, 20 do
    local state = ffi.C.luaL_newstate()
    ffi.C.luaL_openlibs(state)
    in_state(state, ("package.cpath = %q"):format(package.cpath))
    in_state(
      state,
      [[local moonport = require("moonport")
      assert(moonport.attach("glib"))
      local first, port = moonport.connect("spec-first"), moonport.port({ name = "spec-second" })
      port:on(function(value) first:send(value) end)]]
    )
    local second = assert(moonport.connect("spec-second"))
    second:send(round)
    run_glib(function()
      return got == round
    end)
    second:send("nobody's")
    ffi.C.lua_close(state)
    settle()
    equal(got, round)
  end
  attachment:detach()
  port:close()
end)

test("a forked child does not run the parent's", function()
  local attachment = assert(moonport.attach("glib"))
  local port, got = moonport.port(), 0
  port:on(function()
    got = got + 1
  end)
  port:send("the parent's")
  local child = ffi.C.fork()
  if child == 0 then
    local function in_child()
      settle()
      assert(got == 0, "ran the parent's")
      local own, own_got = moonport.port(), 0
      own:on(function()
        own_got = own_got + 1
      end)
      local attached = assert(moonport.attach("glib"))
      own:send(1)
      settle()
      assert(own_got == 1, "its own does not run")
      attachment:detach()
      attached:detach()
    end
    local ok, message = pcall(in_child)
    if not ok then
      io.stderr:write("in the child: ", tostring(message), "\n")
    end
    ffi.C._exit(ok and 0 or 1)
  end
  local status = ffi.new("int[1]")
  equal(ffi.C.waitpid(child, status, 0), child)
  equal(status[0], 0)
  settle()
  equal(got, 1)
  attachment:detach()
  port:close()
end)

-- SDL's dummy driver needs no display.
ffi.C.setenv("SDL_VIDEODRIVER", "dummy", 1)
local sdl = ffi.load("libSDL2-2.0.so.0")
local VIDEO, PEEK, FIRST, LAST = 0x20, 1, 0x8000, 0xffff
local event = ffi.new("uint64_t[16]")

local function queued()
  return sdl.SDL_PeepEvents(nil, 0, PEEK, FIRST, LAST)
end

-- What a program does: waits for an event, and steps. Stops when done() says so.
local function run_sdl(done)
  local deadline = os.time() + PATIENCE
  while not done() do
    if sdl.SDL_WaitEventTimeout(event, PATIENCE * 1000) == 1 then
      moonport.step()
    end
    assert(os.time() <= deadline, "it did not come to an end")
  end
end

local function with_sdl(fn)
  assert(sdl.SDL_Init(VIDEO) == 0)
  sdl.SDL_FlushEvents(0, LAST)
  local attachment = assert(moonport.attach("sdl"))
  equal(attachment:host(), "sdl")
  local port, got = moonport.port(), 0
  port:on(handler(function(value)
    got = got + 1
    if type(value) == "function" then
      value()
    end
  end))
  fn(port, function()
    return got
  end, attachment)
  port:close()
  attachment:detach()
  equal(queued(), 0, "events left")
  sdl.SDL_Quit()
end

test("SDL's loop wakes for messages and timers, with one event for many, and none is left", function()
  with_sdl(function(port, got)
    for i = 1, 600 do
      port:send(i)
    end
    run_sdl(function()
      return got() == 600
    end)
    equal(queued(), 0)
    local fired = 0
    local timer
    timer = moonport.every(0.002, handler(function()
      fired = fired + 1
    end))
    run_sdl(function()
      return fired == 10
    end)
    timer:cancel()
  end)
end)

test("an event that was flushed, or had no room, comes again", function()
  with_sdl(function(port, got)
    port:send(1)
    while queued() == 0 do
    end
    sdl.SDL_FlushEvents(0, LAST)
    run_sdl(function()
      return got() == 1
    end)
    local filler, added = ffi.new("uint32_t[32]"), 0
    filler[0] = 0x7fff
    while sdl.SDL_PushEvent(filler) == 1 do
      added = added + 1
    end
    assert(added > 1000, "the queue was never full")
    port:send(2)
    sdl.SDL_FlushEvents(0, 0x7fff)
    run_sdl(function()
      return got() == 2
    end)
  end)
end)

test("a handler that waits for SDL's events itself gets what comes", function()
  assert(sdl.SDL_Init(VIDEO) == 0)
  local attachment = assert(moonport.attach("sdl"))
  local port, order = moonport.port(), {}
  port:on(handler(function(value)
    order[#order + 1] = value
    if value == "outer" then
      run_sdl(function()
        return #order == 2
      end)
      order[#order + 1] = "after"
    end
  end))
  port:send("outer")
  port:send("inner")
  run_sdl(function()
    return #order == 3
  end)
  equal(table.concat(order, " "), "outer inner after")
  attachment:detach()
  port:close()
  sdl.SDL_Quit()
end)

test("attached to SDL twice, the last to detach ends it", function()
  with_sdl(function(port, got, attachment)
    local other = assert(moonport.attach("sdl"))
    attachment:detach()
    port:send(1)
    run_sdl(function()
      return got() == 1
    end)
    other:detach()
    port:send(2)
    equal(moonport.step(), 1)
    equal(queued(), 0)
  end)
end)
