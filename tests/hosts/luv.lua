-- SPDX-License-Identifier: MIT OR Apache-2.0
-- luv: uv.run() wakes up for messages, and ends when neither uv nor Moonport has anything left.
--   luajit tests/hosts/luv.lua
local common = dofile((arg[0]:match("^.*/") or "./") .. "common.lua")
local uv = require("luv")
local moonport, native, check, equal = common.moonport, common.native, common.check, common.equal

local function after(seconds, fn)
  local timer = uv.new_timer()
  timer:start(math.floor(seconds * 1000), 0, function()
    timer:close()
    fn()
  end)
end

local host = { name = "luv", stop = uv.stop }

function host.attach()
  return moonport.attach("luv")
end

function host.run()
  uv.run()
end

function host.pass(seconds)
  after(seconds, uv.stop)
  uv.run()
end

function host.every(seconds, fn)
  local timer = uv.new_timer()
  timer:start(seconds * 1000, seconds * 1000, fn)
  return function()
    timer:close()
  end
end

common.scenario(host)

-- uv.run() returns by itself; a test that hangs is ended by the alarm of common.lua.
local attachment = assert(moonport.attach(uv))
local run = uv.run
uv.run()
local port = moonport.port({ codec = "json" })
local heard = 0
port:on(function()
  heard = heard + 1
  port:close()
end)
native.native_burst(port:handle(), 1)
uv.run()
native.native_join()
equal(heard, 1, "a port that is opened after uv.run() has returned keeps the next one running")

port = moonport.port({ codec = "json" })
port:on(function()
  heard = heard + 1
end)
port:unref()
uv.run()
equal(heard, 1, "an unreferenced port keeps nothing running")
port:ref()
after(0.02, function()
  port:unref()
end)
local begun = native.native_now()
uv.run()
check(native.native_now() - begun >= 0.019, "uv.run() returned before port:unref()")

-- The last callback of uv's opens a port: not the end.
after(0, function()
  port:ref()
  moonport.after(0.02, function()
    port:close()
  end)
end)
uv.run()
equal(#moonport.report(), 0, "open after uv.run()")

local ticked = 0
moonport.after(0.01, function()
  moonport.sleep(0.01)
  ticked = ticked + 1
end)
uv.run()
equal(ticked, 1, "timers and functions that sleep keep uv.run() running")

moonport.after(10, print)
uv.run("nowait")
check(uv.run("nowait"), "uv.run('nowait') says that something is left")

attachment:detach()
check(uv.run ~= run, "uv.run is as it was")
begun = native.native_now()
uv.run()
check(native.native_now() - begun < 5, "after detach uv.run() waits for nothing of Moonport's")

-- An attachment lasts until detach, whether or not anything in Lua holds it.
assert(moonport.attach(uv))
collectgarbage()
collectgarbage()
local kept = common.recorder(host)
kept:burst(10, "by an attachment that nobody holds")

-- luv (1.44) crashes if a handle was closed and uv has not run since.
local program = [[luajit -e 'assert(require("moonport").attach("luv")):detach()']]
equal(os.execute(program), 0, "the end of a program that detaches last")
common.passed()
