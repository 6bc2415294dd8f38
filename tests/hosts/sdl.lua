-- SPDX-License-Identifier: MIT OR Apache-2.0
-- SDL 2 through LuaJIT's FFI: a real window. The program's own loop waits in SDL_WaitEvent and calls moonport.step() for
-- the events that attach lets the senders push.
local folder = arg[0]:match("^.*/") or "./"
local common = dofile(folder .. "common.lua")
local ffi = require("ffi")
local moonport = require("moonport")

ffi.cdef([[
typedef struct SDL_Window SDL_Window;
typedef struct SDL_Renderer SDL_Renderer;
typedef struct SDL_Rect { int x, y, w, h; } SDL_Rect;
typedef union SDL_Event {
  uint32_t type;
  struct { uint32_t type, timestamp, window; uint8_t event, padding[3]; int32_t data1, data2; } window;
  uint8_t size[64];
} SDL_Event;
int SDL_Init(uint32_t flags);
void SDL_Quit(void);
const char *SDL_GetError(void);
SDL_Window *SDL_CreateWindow(const char *title, int x, int y, int w, int h, uint32_t flags);
SDL_Renderer *SDL_CreateRenderer(SDL_Window *window, int index, uint32_t flags);
int SDL_SetRenderDrawColor(SDL_Renderer *renderer, uint8_t r, uint8_t g, uint8_t b, uint8_t a);
int SDL_RenderClear(SDL_Renderer *renderer);
int SDL_RenderFillRect(SDL_Renderer *renderer, const SDL_Rect *rect);
int SDL_GetRendererOutputSize(SDL_Renderer *renderer, int *w, int *h);
void SDL_RenderPresent(SDL_Renderer *renderer);
void SDL_SetWindowSize(SDL_Window *window, int w, int h);
int SDL_WaitEvent(SDL_Event *event);
int SDL_PollEvent(SDL_Event *event);
int SDL_WaitEventTimeout(SDL_Event *event, int milliseconds);
]])
local VIDEO, CENTERED, RESIZABLE, SOFTWARE = 0x20, 0x2fff0000, 0x20, 1
local WINDOW_EVENT, MOUSE_MOTION, USER_EVENT, LAST_EVENT = 0x200, 0x400, 0x8000, 0xffff
local EXPOSED, SIZE_CHANGED = 3, 6

local native, check, equal, note = common.native, common.check, common.equal, common.note
local sdl = ffi.load("libSDL2-2.0.so.0")
local event = ffi.new("SDL_Event")

local function must(holds)
  if not holds then
    error(ffi.string(sdl.SDL_GetError()), 2)
  end
  return holds
end

must(sdl.SDL_Init(VIDEO) == 0)
local window = sdl.SDL_CreateWindow("Moonport in SDL", CENTERED, CENTERED, 400, 300, RESIZABLE)
must(window ~= nil)
local renderer = sdl.SDL_CreateRenderer(window, -1, SOFTWARE)
must(renderer ~= nil)

local paints, motions, sizes = 0, 0, 0
local pair = ffi.new("int[2]")
local function paint()
  paints = paints + 1
  sdl.SDL_GetRendererOutputSize(renderer, pair, pair + 1)
  local width, height = pair[0], pair[1]
  sdl.SDL_SetRenderDrawColor(renderer, 25, 25, 50, 255)
  sdl.SDL_RenderClear(renderer)
  sdl.SDL_SetRenderDrawColor(renderer, 230, 205, 130, 255)
  local side = height / 4
  local left = width * (0.2 + 0.6 * (paints % 120) / 120) - side / 2
  sdl.SDL_RenderFillRect(renderer, ffi.new("SDL_Rect", left, (height - side) / 2, side, side))
  sdl.SDL_RenderPresent(renderer)
end

local host = { name = "sdl", title = "Moonport in SDL", steps = true }

-- The program's own timers.
local timers = {}

local function timer(seconds, fn, period)
  local this = { due = native.native_now() + seconds, fn = fn, period = period }
  timers[this] = true
  return function()
    timers[this] = nil
  end
end

function host.after(seconds, fn)
  return timer(seconds, fn)
end

function host.every(seconds, fn)
  return timer(seconds, fn, seconds)
end

local function run_timers()
  local now, due = native.native_now(), {}
  for this in pairs(timers) do
    if this.due <= now then
      due[#due + 1] = this
    end
  end
  for _, this in ipairs(due) do
    if timers[this] then
      timers[this] = this.period and true or nil
      this.due = now + (this.period or 0)
      this.fn()
    end
  end
end

-- Milliseconds until something is due, rounded up; -1: nothing is.
local function wait()
  local due = math.huge
  for this in pairs(timers) do
    due = math.min(due, this.due)
  end
  return due == math.huge and -1 or math.max(0, math.ceil((due - native.native_now()) * 1000))
end

-- Is it Moonport's?
local function handle()
  if event.type == MOUSE_MOTION then
    motions = motions + 1
  elseif event.type == WINDOW_EVENT then
    if event.window.event == EXPOSED then
      paint()
    elseif event.window.event == SIZE_CHANGED then
      sizes = sizes + 1
    end
  end
  return event.type >= USER_EVENT and event.type <= LAST_EVENT
end

local stopping = false

function host.run()
  repeat
    if sdl.SDL_WaitEventTimeout(event, wait()) == 1 then
      local woken = false
      repeat
        woken = handle() or woken
      until sdl.SDL_PollEvent(event) == 0
      if woken then
        moonport.step()
        if host.others then
          host.others()
        end
      end
    end
    run_timers()
  until stopping
  stopping = false
end

function host.stop()
  stopping = true
end

function host.resize(width, height)
  sdl.SDL_SetWindowSize(window, width, height)
end

function host.sizes()
  return sizes
end

function host.paints()
  return paints
end

function host.motions()
  return motions
end

local cancel
function host.animate(is_on)
  if is_on then
    cancel = host.every(1 / 60, paint)
  else
    cancel()
  end
end

-- Hot enough to be compiled; ends after so many seconds.
local function spin(milliseconds, seconds, step)
  local deadline, rounds = native.native_now() + seconds, 0
  while native.native_now() < deadline do
    sdl.SDL_WaitEventTimeout(event, milliseconds)
    if step then
      step()
    end
    rounds = rounds + 1
  end
  return rounds
end

function host.more(kit)
  local function in_a_coroutine(fn, ...)
    assert(coroutine.resume(coroutine.create(fn), ...))
  end
  local function plainly(fn, ...)
    fn(...)
  end
  for name, wrap in pairs({ [""] = plainly, [", in a coroutine"] = in_a_coroutine }) do
    for _, milliseconds in ipairs({ 0, 1 }) do
      kit.test(("a compiled loop that waits %d ms%s"):format(milliseconds, name), function()
        local got = kit.numbers()
        kit.attach()
        wrap(spin, milliseconds, 0.2)
        kit.burst(got.port, 10000)
        wrap(spin, milliseconds, 0.2)
        equal(got.count, 0, "delivered without a step")
        wrap(spin, milliseconds, 1, moonport.step)
        equal(got.count, 10000, "delivered")
      end)
    end
    kit.test("with moonport.call" .. name, function()
      local got = kit.numbers()
      kit.attach()
      kit.burst(got.port, 10000)
      wrap(function()
        local deadline = native.native_now() + 10
        while got.count < 10000 and native.native_now() < deadline do
          moonport.call(sdl.SDL_WaitEventTimeout, event, 10)
          moonport.step()
        end
      end)
      equal(got.count, 10000, "delivered")
    end)
  end
end

dofile(folder .. "window.lua")(host)
