-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A window, and nothing that has a clock of its own: SDL looks after joysticks, and the audio thread mixes silence.
function love.conf(t)
  t.identity = nil
  t.console = false
  t.window.title = "Moonport in LÖVE"
  t.window.width, t.window.height = 320, 200
  for _, name in ipairs({ "audio", "joystick", "physics", "sound", "touch", "video" }) do
    t.modules[name] = false
  end
end
