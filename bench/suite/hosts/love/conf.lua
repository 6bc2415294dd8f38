-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Only what the loop needs: joysticks and the audio thread have clocks of their own.
function love.conf(t)
  t.identity = nil
  t.console = false
  t.window.title = "Moonport in LÖVE"
  t.window.width, t.window.height = 320, 200
  for _, name in ipairs({ "audio", "joystick", "physics", "sound", "touch", "video" }) do
    t.modules[name] = false
  end
end
