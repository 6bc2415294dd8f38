-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Starts and stops a server again and again, one request each. Waits for a line on stdin at each checkpoint.

local moonport = require("moonport")
local handlers = setmetatable({}, { __mode = "k" })
local answered = 0

local function cycle()
  local server = moonport.http({ token = false })
  local done = false
  local function handler()
    done = true
    return "x"
  end
  handlers[handler] = true
  server:get("/", handler)
  local url = assert(server:start())
  os.execute("curl -s -m 5 -o /dev/null " .. url .. "/ </dev/null >/dev/null 2>&1 &")
  local last = os.time() + 8
  while not done and os.time() < last do
    moonport.step(1)
  end
  server:stop(0.05)
  answered = answered + (done and 1 or 0)
end

local function checkpoint()
  collectgarbage()
  collectgarbage()
  local live = 0
  for _ in pairs(handlers) do
    live = live + 1
  end
  print(("checkpoint %d %d %d"):format(answered, live, #moonport.report()))
  io.stdout:flush()
  assert(io.read() == "go on")
end

for _ = 1, 20 do
  cycle()
end
checkpoint()
for _ = 1, 200 do
  cycle()
end
checkpoint()
