-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A controller of cqueues, beside a coroutine of it that waits for 10 ms.
local measure = dofile(arg[0]:match("^.*/") .. "measure.lua")
local cqueues = require("cqueues")
local moonport = require("moonport")

measure({
  attached = function(is_over)
    local controller = cqueues.new()
    local attachment = assert(moonport.attach(controller))
    repeat
      assert(controller:step())
    until is_over()
    attachment:detach()
  end,
  timer = function(is_over)
    local controller = cqueues.new()
    controller:wrap(function()
      repeat
        cqueues.poll(0.01)
        moonport.step()
      until is_over()
    end)
    assert(controller:loop())
  end,
})
