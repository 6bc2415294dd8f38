-- SPDX-License-Identifier: MIT OR Apache-2.0
package.cpath = (...) .. "/?.so;" .. package.cpath
local moonport = require("moonport")
local probe = require("probe")

local counter = probe.counter(41)
assert(counter:add() == 42)
assert(not pcall(counter.add, io.stdout))
assert(#probe["repeat"](("x"):rep(1000), 100) == 100000)
assert(probe.sum({ 1, 2, b = 39 }) == 42)
assert(probe.trace():find("^here\nstack traceback:\n"))

local seen
local message, status = probe.call(function(text)
  if text == "fail" then error("failed", 0) end
  seen = text
end)
assert(seen == "in a coroutine" and message == "failed" and status == 2)

-- Modules of distributions are found, unless the user's path leaves the standard places out.
assert(package.cpath:find("/usr/local/lib/lua/5.1/?.so;/usr/lib/", 1, true))
assert(package.path:find("/usr/local/share/lua/5.1/?/init.lua;/usr/share/lua/5.1/?.lua", 1, true))

-- A C function may be a handler, and a handler may call one.
local port = assert(moonport.port())
port:on(function(value)
  print("the module says " .. probe["repeat"](value, 3))
  port:close()
end)
assert(port:send("ok "))
