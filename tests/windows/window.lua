-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A thread's message loop, a message box and a menu under Windows: each case in a process of its own.
-- moonport run window.lua CASE LIBRARY
local moonport = require("moonport")
local ffi = require("ffi")

ffi.cdef([[
void window_send(const void *moonport, unsigned long long id, unsigned threads, unsigned count);
unsigned window_loop(void);
void window_quit(void);
void window_quit_later(void);
int window_box(void);
int window_close_box(void);
void window_menu(void);
void window_end_menu(void);
]])
local case, library = arg[1], ffi.load(arg[2])
local THREADS, EACH = 4, 25000
local cases = {}

local function loop()
  -- The loop is entered through the FFI library: moonport.call makes that safe.
  return moonport.call(function()
    return library.window_loop()
  end)
end

-- 100,000 messages of four threads, in the order of each, for a few hundred of Windows' own.
function cases.flood()
  local attachment = assert(moonport.attach())
  assert(attachment:host() == "windows")
  local port = moonport.port({ overflow = "block" })
  local count, last = 0, {}
  port:on(function(value)
    local number = ffi.cast("const unsigned *", value)
    local thread, at = tonumber(number[0]), tonumber(number[1])
    assert(at == (last[thread] or -1) + 1, "out of order")
    last[thread] = at
    count = count + 1
    if count == THREADS * EACH then
      library.window_quit()
    end
  end)
  library.window_send(moonport.api, port:handle(), THREADS, EACH)
  local taken = loop()
  assert(count == THREADS * EACH, count)
  print(("%d messages, %d of Windows"):format(count, taken))
  assert(taken > 0 and taken < 2000, taken)
  local stats = port:stats()
  assert(stats.delivered == count and stats.dropped == 0)
  port:close()
end

-- Messages and timers go on inside a loop that is not the program's, opened by the script or by a handler of a message. `finish`
-- ends that loop, once it is there.
local function goes_on(run, finish, in_handler)
  assert(moonport.attach("windows"))
  local port = moonport.port()
  local got, ticks, finished = 0, 0, false
  local timer = moonport.every(0.005, function()
    ticks = ticks + 1
    port:send(ticks)
  end)
  port:on(function(value)
    if value == "open" then
      moonport.call(run)
      finished = true
      return library.window_quit()
    end
    got = got + 1
    if got >= 20 and not finished then
      finish()
    end
  end)
  if in_handler then
    port:send("open")
    -- Behind it in the same turn, they are delivered inside the loop that it opens.
    port:send(0)
    port:send(0)
    loop()
  else
    moonport.call(run)
  end
  timer:cancel()
  assert(got >= 20 and ticks >= 10, got)
  print(("%d messages and %d ticks"):format(got, ticks))
  port:close()
end

local function box()
  library.window_box()
end
local function close_box()
  library.window_close_box()
end
local function menu()
  library.window_menu()
end
local function end_menu()
  library.window_end_menu()
end

function cases.box()
  goes_on(box, close_box, false)
end

function cases.box_in_handler()
  goes_on(box, close_box, true)
end

function cases.menu()
  goes_on(menu, end_menu, false)
end

-- A loop that compiled code runs cannot enter Lua; the messages wait, and nothing crashes or spins.
function cases.compiled()
  assert(moonport.attach())
  local port, got = moonport.port(), 0
  port:on(function()
    got = got + 1
    library.window_quit()
  end)
  local user32 = ffi.load("user32")
  ffi.cdef([[
  typedef struct { void *window; unsigned message; uintptr_t first; intptr_t second; unsigned time; int x, y; } window_message;
  int PeekMessageW(window_message *, void *, unsigned, unsigned, unsigned);
  intptr_t DispatchMessageW(const window_message *);
  void Sleep(unsigned);
  ]])
  local message = ffi.new("window_message")
  local sent = 0
  for round = 1, 3000 do
    if round % 100 == 0 then
      port:send(round)
      sent = sent + 1
    end
    while user32.PeekMessageW(message, nil, 0, 0, 1) ~= 0 do
      user32.DispatchMessageW(message)
    end
  end
  while got < sent do
    loop()
  end
  assert(got == sent, got)
  print(("%d messages around a compiled loop"):format(got))
  port:close()
end

-- Each handler runs a loop, sixteen deep; what the last one gets no turn for is delivered when that has ended.
function cases.deep()
  assert(moonport.attach())
  local port, got = moonport.port(), 0
  port:on(function()
    got = got + 1
    if got <= 16 then
      port:send("deeper")
      if got == 16 then
        library.window_quit_later()
      end
      loop()
    end
    library.window_quit()
  end)
  port:send("first")
  loop()
  assert(got == 17, got)
  print(("%d messages in nested loops"):format(got))
  port:close()
end

-- Detached in its own handler, and attached twice.
function cases.detach()
  local first, second = assert(moonport.attach()), assert(moonport.attach("wx"))
  local port, got = moonport.port(), 0
  port:on(function()
    got = got + 1
    if got == 1 then
      first:detach()
      port:send(2)
    elseif got == 2 then
      second:detach()
      port:send(3)
      library.window_quit()
    end
  end)
  port:send(1)
  loop()
  assert(got == 2, got)
  assert(moonport.step() == 1 and got == 3, got)
  print(("%d messages, two by the loop"):format(got))
  port:close()
end

cases[case]()
print("ok")
