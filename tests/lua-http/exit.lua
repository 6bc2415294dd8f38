-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Ends in the way that arg[1] names, while two requests are deferred and two more wait behind the blocked Lua thread.

local moonport = require("moonport")
local way = arg[1]
local server = moonport.http({ token = false })
local held = 0

local function say(text)
  print(text)
  io.stdout:flush()
end

-- Holds the Lua thread until requests wait for it.
local function block()
  say("blocked")
  local last = os.time() + 8
  while server:stats().waiting < 2 do
    if os.time() > last then
      say("nothing came")
      os.exit(9)
    end
  end
  say("queued")
end

local answers = {}
server:get("/hold", function(request)
  answers[#answers + 1] = request:defer()
  held = held + 1
end)
server:get("/queued", function()
  return "queued"
end)
server:get("/go", function()
  block()
  if way == "handler-exit" then
    os.exit(0)
  elseif way == "handler-exit-close" then
    os.exit(0, true)
  else
    moonport.shutdown(0.5)
  end
  return "too late"
end)
say(assert(server:start()))
while held < 2 do
  moonport.step(1)
end
say("held")
if way:find("^handler") then
  moonport.run()
  return
end
block()
if way == "error" then
  error("the script's own error")
elseif way == "exit" then
  os.exit(0)
elseif way == "exit-close" then
  os.exit(0, true)
end
