-- SPDX-License-Identifier: MIT OR Apache-2.0
-- cqueues: a coroutine looks every second which local ports answer; Moonport's HTTP server tells.
--   luajit examples/cqueues/main.lua PORT [WATCHED ...]      e.g. main.lua 8080 22 5432
--   curl http://127.0.0.1:8080/
local moonport = require("moonport")
local cqueues = require("cqueues")
local signal = require("cqueues.signal")
local socket = require("cqueues.socket")

-- Before the server's thread starts, which is not to be interrupted either.
signal.block(signal.SIGINT)

local controller = cqueues.new()
local attachment = assert(moonport.attach(controller))
local answers, rounds, stopped = {}, 0, false

local function does_answer(port)
  local connection = socket.connect({ host = "127.0.0.1", port = port })
  connection:onerror(function(_, _, code)
    return code
  end)
  local connected = connection:connect(0.5)
  connection:close()
  return connected ~= nil
end

controller:wrap(function()
  while not stopped do
    for i = 2, #arg do
      answers[arg[i]] = does_answer(tonumber(arg[i]))
    end
    rounds = rounds + 1
    cqueues.sleep(1)
  end
end)

local server = moonport.http({ address = "127.0.0.1:" .. (arg[1] or 8080), token = false })
server:get("/", function()
  return { answers = answers, rounds = rounds }
end)

controller:wrap(function()
  signal.listen(signal.SIGINT):wait()
  stopped = true
  server:stop()
  -- Ends the attachment's coroutine: the loop returns when the one above has seen the stop.
  attachment:detach()
end)

print(assert(server:start()))
io.stdout:flush()
assert(controller:loop())
print("stopped")
