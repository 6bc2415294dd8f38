-- SPDX-License-Identifier: MIT OR Apache-2.0
function love.conf(t)
  t.window.title = "Moonport in LÖVE"
  t.window.width, t.window.height = 480, 240
  -- SDL looks after joysticks every few seconds, and the audio thread mixes silence: off, where nobody needs them.
  t.modules.joystick, t.modules.audio = false, false
end
