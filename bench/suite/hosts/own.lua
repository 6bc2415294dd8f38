-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Our own loop, beside one that sleeps for 10 ms and looks.
local measure = dofile(arg[0]:match("^.*/") .. "measure.lua")
local ffi = require("ffi")
local moonport = require("moonport")

local running = false

measure({
  -- It is remembered: the next run() would end at once.
  stop = function()
    if running then
      moonport.stop()
    end
  end,
  attached = function()
    running = true
    moonport.run()
    running = false
  end,
  timer = function(is_over)
    -- measure.lua has loaded it, and declared this.
    local sender = ffi.load(os.getenv("MOONPORT_SENDER"))
    repeat
      sender.sender_pause(0.01)
      moonport.step()
    until is_over()
  end,
})
