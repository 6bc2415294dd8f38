-- SPDX-License-Identifier: MIT OR Apache-2.0
-- One round with one host, in a process of its own: dofile(this)(host) measures the host attached and by its timer, in the
-- same loop, and prints a line of JSON. A host is a table:
--   attached(is_over)   attaches, runs the loop until is_over() or stop(), and detaches
--   timer(is_over)      the same with a timer of 10 ms that calls moonport.step(), or a loop that looks every 10 ms
--   stop                called at the last message
-- The environment has MOONPORT_SENDER, the library made from sender.c; MOONPORT_MESSAGES, how many; MOONPORT_FIRST, which of
-- the two is first.

local ffi = require("ffi")
local moonport = require("moonport")

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local header = assert(io.open(folder .. "sender.h"))
ffi.cdef(header:read("*a"))
header:close()
local sender = ffi.load(assert(os.getenv("MOONPORT_SENDER")))
local count = assert(tonumber(os.getenv("MOONPORT_MESSAGES")))

local function sample(host, way)
  local over = false
  local port = moonport.port()
  port:on(function()
    if sender.sender_heard() == 0 then
      over = true
      host.stop()
    end
  end)
  assert(sender.sender_start(moonport.api, port:handle(), count) == 0, "no thread")
  host[way](function()
    return over
  end)
  port:close()
  local sleeps = sender.sender_sleeps()
  assert(over and sleeps >= 0, "not every message came exactly once")
  return {
    low = sender.sender_took(1),
    median = sender.sender_took(2),
    high = sender.sender_took(3),
    sleeps = sleeps,
  }
end

local function nothing() end

return function(host)
  host.stop = host.stop or nothing
  local first = assert(os.getenv("MOONPORT_FIRST"))
  local result = {}
  for _, way in ipairs({ first, first == "timer" and "attached" or "timer" }) do
    result[way] = sample(host, way)
  end
  io.stdout:write("\n", assert(moonport.json.encode(result)), "\n")
  io.stdout:flush()
end
