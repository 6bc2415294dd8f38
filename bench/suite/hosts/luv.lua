-- SPDX-License-Identifier: MIT OR Apache-2.0
-- libuv through luv.
local measure = dofile(arg[0]:match("^.*/") .. "measure.lua")
local moonport = require("moonport")
local uv = require("luv")

measure({
  stop = uv.stop,
  attached = function()
    local attachment = assert(moonport.attach(uv))
    uv.run()
    attachment:detach()
  end,
  timer = function()
    local timer = uv.new_timer()
    timer:start(10, 10, function()
      moonport.step()
    end)
    uv.run()
    timer:close()
    uv.run("nowait")
  end,
})
