-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A window of SDL 2 through LuaJIT's FFI.
local measure = dofile(arg[0]:match("^.*/") .. "measure.lua")
local ffi = require("ffi")
local moonport = require("moonport")

ffi.cdef([[
typedef union SDL_Event { uint32_t type; uint64_t size[16]; } SDL_Event;
int SDL_Init(uint32_t flags);
const char *SDL_GetError(void);
void *SDL_CreateWindow(const char *title, int x, int y, int w, int h, uint32_t flags);
int SDL_WaitEvent(SDL_Event *event);
int SDL_WaitEventTimeout(SDL_Event *event, int milliseconds);
]])
local VIDEO, CENTERED, SHOWN = 0x20, 0x2fff0000, 4

local sdl = ffi.load("libSDL2-2.0.so.0")
local event = ffi.new("SDL_Event")

local function must(holds)
  if not holds then
    error(ffi.string(sdl.SDL_GetError()), 0)
  end
end

must(sdl.SDL_Init(VIDEO) == 0)
must(sdl.SDL_CreateWindow("Moonport in SDL", CENTERED, CENTERED, 400, 300, SHOWN) ~= nil)

measure({
  attached = function(is_over)
    local attachment = assert(moonport.attach("sdl"))
    repeat
      must(sdl.SDL_WaitEvent(event) == 1)
      moonport.step()
    until is_over()
    attachment:detach()
  end,
  timer = function(is_over)
    repeat
      sdl.SDL_WaitEventTimeout(event, 10)
      moonport.step()
    until is_over()
  end,
})
