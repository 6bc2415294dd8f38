-- SPDX-License-Identifier: MIT OR Apache-2.0
-- LÖVE in a window: love.event.wait wakes up for messages, and a loop of frames with love.event.pump delivers them.
--   love tests/hosts/love
local folder = love.filesystem.getSource():match("^(.*)/love/?$")
local common = dofile(folder .. "/common.lua")
local moonport, native, check, equal = common.moonport, common.native, common.check, common.equal

local stopping
local host = { name = "love" }

function host.attach()
  return moonport.attach("love")
end

function host.stop()
  stopping = true
end

function host.run()
  stopping = false
  while not stopping do
    love.event.wait()
  end
end

function host.nest(condition)
  while not condition() do
    love.event.wait()
  end
end

function host.pass(seconds)
  local deadline = love.timer.getTime() + seconds
  repeat
    love.event.pump()
    love.timer.sleep(0.005)
  until love.timer.getTime() >= deadline
end

-- The loop of a game: frames, whether or not anything happens.
local function frames()
  stopping = false
  while not stopping do
    love.event.pump()
    for _ in love.event.poll() do
    end
    love.graphics.clear()
    love.graphics.present()
    love.timer.sleep(0.001)
  end
end

local function events_of_its_own()
  local attachment = assert(moonport.attach(love))
  equal(attachment:host(), "love", "attached by the table")
  -- A message is no event for the program.
  local port = common.recorder(host)
  port.awaited = 1
  native.native_burst(port.port:handle(), 1)
  local name
  stopping = false
  while not stopping do
    name = love.event.wait()
    equal(name, nil, "an event for a message")
  end
  native.native_join()
  port.port:close()
  attachment:detach()
end

-- What love.thread starts is another Lua state.
local function threads()
  local attachment = assert(moonport.attach("love"))
  local port = common.recorder(host, { name = "love" })
  port.awaited = 100
  local thread = love.thread.newThread([[
    local sender = assert(require("moonport").connect("love"))
    for i = 1, 100 do
      assert(sender:send(i))
    end
  ]])
  thread:start()
  host.run()
  thread:wait()
  equal(thread:getError(), nil, "the thread's error")
  port:expect(100, "from love.thread")
  port.port:close()
  attachment:detach()
end

-- Without attach: love.update calls step().
local function steps()
  local port = common.recorder(host)
  port.awaited = 1000
  native.native_burst(port.port:handle(), 1000)
  stopping = false
  local frame = 0
  while not stopping and frame < 10000 do
    love.event.pump()
    moonport.step()
    frame = frame + 1
  end
  native.native_join()
  port:expect(1000, "by step() alone")
  port.port:close()
end

local function test()
  -- The window's first events.
  host.pass(0.3)
  local pump, wait = love.event.pump, love.event.wait
  common.scenario(host)
  check(love.event.pump == pump and love.event.wait == wait, "detach puts the functions back")

  local attachment = assert(host.attach())
  local port = common.recorder(host)
  host.run = frames
  port:burst(10000, "in a loop of frames")
  port.port:close()
  attachment:detach()

  events_of_its_own()
  threads()
  steps()
  common.passed()
end

function love.run()
  return function()
    local ok, message = xpcall(test, debug.traceback)
    if not ok then
      print(message)
    end
    return ok and 0 or 1
  end
end
