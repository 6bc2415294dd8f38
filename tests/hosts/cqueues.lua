-- SPDX-License-Identifier: MIT OR Apache-2.0
-- cqueues: a controller wakes up for messages, beside coroutines of its own.
--   luajit tests/hosts/cqueues.lua
local common = dofile((arg[0]:match("^.*/") or "./") .. "common.lua")
local cqueues = require("cqueues")
local condition = require("cqueues.condition")
local moonport, native, check, equal = common.moonport, common.native, common.check, common.equal

local controller = cqueues.new()
local stopped = condition.new()
local stopping = false

local host = { name = "cqueues" }

function host.attach()
  return moonport.attach(controller)
end

function host.stop()
  stopping = true
  stopped:signal()
end

-- Until a coroutine of the controller has seen the stop.
function host.run()
  stopping = false
  local seen = false
  controller:wrap(function()
    while not stopping do
      stopped:wait()
    end
    seen = true
  end)
  while not seen do
    assert(controller:step())
  end
end

function host.pass(seconds)
  local over = false
  controller:wrap(function()
    cqueues.sleep(seconds)
    over = true
  end)
  while not over do
    assert(controller:step())
  end
end

function host.every(seconds, fn)
  local cancelled = false
  controller:wrap(function()
    while not cancelled do
      cqueues.sleep(seconds)
      fn()
    end
  end)
  return function()
    cancelled = true
  end
end

common.scenario(host)

-- Detached everywhere: the loop has nothing left.
local begun = native.native_now()
assert(controller:loop(10))
check(native.native_now() - begun < 5, "controller:loop() returns after detach")
check(controller:empty(), "no coroutine is left after detach")

-- The name alone means the controller that runs.
local attachment, message, name = moonport.attach("cqueues")
equal(attachment, nil, "attached outside of a controller")
equal(name, "not_found", message)
local port = moonport.port({ codec = "json" })
local heard = 0
controller:wrap(function()
  local inner = assert(moonport.attach("cqueues"))
  equal(inner:host(), "cqueues", "Attachment:host()")
  port:on(function()
    heard = heard + 1
    if heard == 100 then
      inner:detach()
    end
  end)
  native.native_burst(port:handle(), 100)
end)
assert(controller:loop(10))
native.native_join()
equal(heard, 100, "delivered within a controller")
check(controller:empty(), "detach in a handler ends the loop")
common.passed()
