-- SPDX-License-Identifier: MIT OR Apache-2.0
-- luv: Moonport's HTTP server in uv's loop. What is posted to /sort goes through a process that uv runs.
--   luajit examples/luv/main.lua [PORT]
--   printf 'pear\napple\n' | curl --data-binary @- http://127.0.0.1:8080/sort
local moonport = require("moonport")
local uv = require("luv")

assert(moonport.attach(uv))
local seconds, sorted = 0, 0

-- uv's part: done(text) is called later, from uv's callbacks.
local function sort(text, done)
  local input, output = uv.new_pipe(), uv.new_pipe()
  local process
  process = assert(uv.spawn("sort", { stdio = { input, output, 2 } }, function()
    process:close()
  end))
  input:write(text)
  input:shutdown(function()
    input:close()
  end)
  local pieces = {}
  output:read_start(function(_, piece)
    if piece then
      pieces[#pieces + 1] = piece
      return
    end
    output:close()
    done(table.concat(pieces))
  end)
end

-- Moonport's part: handlers run in uv's loop, on this thread.
local server = moonport.http({ address = "127.0.0.1:" .. (arg[1] or 8080), token = false })
server:post("/sort", function(request)
  sorted = sorted + 1
  sort(request.body, request:defer())
end, { content = "raw" })
server:get("/", function()
  return { seconds = seconds, sorted = sorted }
end)

local timer, interrupt = uv.new_timer(), uv.new_signal()
timer:start(1000, 1000, function()
  seconds = seconds + 1
end)
-- With the server and the timer gone nothing is left, and uv.run() returns.
interrupt:start("sigint", function()
  server:stop()
  timer:close()
  interrupt:close()
end)

print(assert(server:start()))
io.stdout:flush()
uv.run()
print("stopped")
