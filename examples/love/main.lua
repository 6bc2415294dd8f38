-- SPDX-License-Identifier: MIT OR Apache-2.0
-- LÖVE: a window shows what is posted. It sleeps until something happens, and draws then only.
--   love examples/love [PORT]
--   curl -H "content-type: application/json" -d '{"text":"Hello","colour":[0.1,0.3,0.6]}' http://127.0.0.1:8080/show
local moonport = require("moonport")

local text, colour, drawn = "POST /show", { 0.1, 0.1, 0.15 }, 0

function love.load(arguments)
  assert(moonport.attach("love"))
  local server = moonport.http({ address = "127.0.0.1:" .. (arguments[1] or 8080), token = false })
  server:post("/show", function(request)
    text, colour = request.data.text or text, request.data.colour or colour
    return { drawn = drawn }
  end, { content = "json" })
  print(assert(server:start()))
  io.stdout:flush()
end

function love.draw()
  drawn = drawn + 1
  local width, height = love.graphics.getDimensions()
  love.graphics.clear(colour[1], colour[2], colour[3])
  love.graphics.printf(text, 0, height / 2 - 20, width / 2, "center", 0, 2, 2)
end

-- Waits for what comes first, an event or a message, instead of drawing frame after frame.
function love.run()
  love.load(love.arg.parseGameArguments(arg), arg)
  local status

  local function handle(name, ...)
    if name == "quit" then
      status = ... or 0
    elseif name then
      love.handlers[name](...)
    end
  end

  return function()
    handle(love.event.wait()) -- nothing, where only messages came
    love.event.pump() -- what else has come, so that all of it is drawn at once
    for name, a, b, c, d, e, f in love.event.poll() do
      handle(name, a, b, c, d, e, f)
    end
    love.graphics.origin()
    love.draw()
    love.graphics.present()
    return status
  end
end
