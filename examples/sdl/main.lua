-- SPDX-License-Identifier: MIT OR Apache-2.0
-- An SDL window whose colour others choose: POST {"red": 0, "green": 128, "blue": 255} to /colour, as the command that it
-- prints does. The loop below is the program's own and sleeps in SDL_WaitEvent; Moonport wakes it up when a request comes.
--   apt install libsdl2-2.0-0
--   luajit examples/sdl/main.lua [address]       or: moonport run examples/sdl/main.lua [address]
local ffi = require("ffi")
local moonport = require("moonport")

ffi.cdef([[
typedef struct SDL_Window SDL_Window;
typedef struct SDL_Renderer SDL_Renderer;
typedef union SDL_Event { uint32_t type; uint8_t size[64]; } SDL_Event;
int SDL_Init(uint32_t flags);
void SDL_Quit(void);
SDL_Window *SDL_CreateWindow(const char *title, int x, int y, int width, int height, uint32_t flags);
SDL_Renderer *SDL_CreateRenderer(SDL_Window *window, int index, uint32_t flags);
int SDL_SetRenderDrawColor(SDL_Renderer *renderer, uint8_t red, uint8_t green, uint8_t blue, uint8_t alpha);
int SDL_RenderClear(SDL_Renderer *renderer);
void SDL_RenderPresent(SDL_Renderer *renderer);
int SDL_WaitEvent(SDL_Event *event);
]])
local VIDEO, ANYWHERE, QUIT, WINDOW = 0x20, 0x1fff0000, 0x100, 0x200

local sdl = ffi.load("libSDL2-2.0.so.0")
assert(sdl.SDL_Init(VIDEO) == 0, "SDL does not start")
local window = sdl.SDL_CreateWindow("Colour", ANYWHERE, ANYWHERE, 420, 300, 0)
local renderer = sdl.SDL_CreateRenderer(window, -1, 0)
assert(renderer ~= nil, "SDL cannot draw")

local colour = { red = 30, green = 30, blue = 60 }
local closed = false

local function paint()
  sdl.SDL_SetRenderDrawColor(renderer, colour.red, colour.green, colour.blue, 255)
  sdl.SDL_RenderClear(renderer)
  sdl.SDL_RenderPresent(renderer)
end

local server = moonport.http({ address = arg[1] })

server:post("/colour", function(request)
  for name in pairs(colour) do
    local part = type(request.data) == "table" and request.data[name]
    colour[name] = type(part) == "number" and math.max(0, math.min(255, part)) or 0
  end
  paint()
  return colour
end, { content = "json" })

server:post("/close", function()
  closed = true
end)

assert(moonport.attach("sdl"))
local url = assert(server:start())
local header = "-H 'Authorization: Bearer " .. server.token .. "' -H 'Content-Type: application/json'"
print(("curl %s -d '{\"red\": 0, \"green\": 128, \"blue\": 255}' %s/colour"):format(header, url))
io.stdout:flush()
local event = ffi.new("SDL_Event")
while not closed and sdl.SDL_WaitEvent(event) == 1 do
  moonport.step() -- runs the handlers of what has come; at once if nothing has
  if event.type == WINDOW then
    paint()
  end
  closed = closed or event.type == QUIT
end
server:stop()
sdl.SDL_Quit()
