-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Server after server for lives.test.mjs: prints each URL, stops the server while a request waits, which is answered
-- meanwhile, and prints the codes that WebSockets were closed with. Waits for a line on stdin after 20 of them, and after
-- arg[1] more.

local moonport = require("moonport")

local function live()
  local server = moonport.http({ token = false })
  local told = {}
  local answer
  server:get("/", function(request)
    answer = request:defer()
    moonport.stop()
  end)
  server:get("/quick", function()
    return "quick"
  end)
  server:websocket("/socket", {
    message = print,
    close = function(_, code)
      told[#told + 1] = code
    end,
  })
  server:events("/events")
  print(assert(server:start()))
  io.stdout:flush()
  moonport.run()
  -- The last request is answered by a task that runs while stop waits.
  moonport.after(0, function()
    assert(answer("the last"))
  end)
  server:stop()
  local stats = server:stats()
  assert(next(stats) == nil or stats.connections == 0, "a connection is open")
  print(("stopped %s"):format(table.concat(told, " ")))
  io.stdout:flush()
end

local function checkpoint()
  collectgarbage()
  collectgarbage()
  print(("checkpoint %d"):format(#moonport.report()))
  io.stdout:flush()
  assert(io.read() == "go on")
end

for _ = 1, 20 do
  live()
end
checkpoint()
for _ = 1, tonumber(arg[1]) do
  live()
end
checkpoint()
