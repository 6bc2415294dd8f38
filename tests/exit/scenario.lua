-- SPDX-License-Identifier: MIT OR Apache-2.0
-- One run: scenario.lua <what goes on> <how it ends> <top | handler>. For os.exit the end may come inside a handler.
local what, ending, place = ...
local moonport = require("moonport")
local threads = require("threads")

local endings = {
  finish = function() end,
  error = function()
    error("the end")
  end,
  exit = function()
    os.exit(0)
  end,
  close = function()
    os.exit(0, true)
  end,
}

local seen = 0
local function handler()
  seen = seen + 1
  if seen == 3 then
    if place == "handler" then
      endings[ending]()
    end
    moonport.stop()
  end
end

moonport.on_error(function(message)
  io.stderr:write("on_error: ", message, "\n")
end)

if what == "blocked" then
  -- Not taken from: who sends to it waits. Its handler, and the end, belong to another port.
  local full = assert(moonport.port({ capacity = 2, overflow = "block" }))
  threads.start_blocked(moonport.api, full:handle())
  moonport.every(0.001, handler)
elseif what == "busy" then
  local port = assert(moonport.port({ codec = "json" }))
  port:on(handler)
  threads.start_busy(moonport.api, port:handle())
elseif what == "lane" then
  local port = assert(moonport.port({ codec = "json" }))
  port:on(handler)
  threads.start_lane(assert(port:descriptor()))
elseif what == "locked" then
  -- Other threads run Lua themselves, and so may be where the process ends.
  local callback = assert(moonport.callback("void (*)(void)", handler, { mode = "locked" }))
  threads.start_locked(moonport.api, moonport.state, callback.pointer)
elseif what == "timer" then
  moonport.after(3600, function() end)
  moonport.every(0.001, handler)
else
  error("unknown scenario")
end

moonport.run()
endings[ending]()
