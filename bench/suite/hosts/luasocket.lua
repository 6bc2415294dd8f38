-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A loop of one's own around LuaSocket's select.
local measure = dofile(arg[0]:match("^.*/") .. "measure.lua")
local moonport = require("moonport")
local socket = require("socket")

measure({
  attached = function(is_over)
    local pollable = assert(require("moonport.host.pollable")())
    local set = { pollable }
    repeat
      if socket.select(set, nil, pollable:timeout())[pollable] then
        pollable:step()
      end
    until is_over()
  end,
  timer = function(is_over)
    local none = {}
    repeat
      socket.select(none, nil, 0.01)
      moonport.step()
    until is_over()
  end,
})
