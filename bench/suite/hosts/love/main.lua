-- SPDX-License-Identifier: MIT OR Apache-2.0
-- LÖVE in a window: love.event.wait, beside frames of 10 ms without drawing.
--   love bench/suite/hosts/love
local folder = love.filesystem.getSource():match("^(.*)/love/?$")

local function run()
  local moonport = require("moonport")
  dofile(folder .. "/measure.lua")({
    attached = function(is_over)
      local attachment = assert(moonport.attach("love"))
      repeat
        love.event.wait()
      until is_over()
      attachment:detach()
    end,
    timer = function(is_over)
      repeat
        love.event.pump()
        for _ in love.event.poll() do
        end
        moonport.step()
        love.timer.sleep(0.01)
      until is_over()
    end,
  })
end

-- Also where something cannot be loaded: LÖVE would show its own screen and wait.
function love.run()
  return function()
    local ok, message = pcall(run)
    if not ok then
      print(message)
    end
    return ok and 0 or 1
  end
end
