-- SPDX-License-Identifier: MIT OR Apache-2.0
-- copas, step for step as copas.loop() does; version 1.1 has no timers, but a step may wait for 10 ms.
local measure = dofile(arg[0]:match("^.*/") .. "measure.lua")
local copas = require("copas")
local moonport = require("moonport")

measure({
  attached = function(is_over)
    local attachment = assert(moonport.attach(copas))
    repeat
      copas.step()
    until is_over()
    attachment:detach()
  end,
  timer = function(is_over)
    repeat
      copas.step(0.01)
      moonport.step()
    until is_over()
  end,
})
