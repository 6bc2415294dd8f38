-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A burst of 100,000 payloads: every one arrives through a port; luv's async coalesces wake-ups and payloads alike. Needs
-- luv, so that it only runs when it is named: luajit spec/run.lua burst
local spec = ...
local moonport = require("moonport")
local uv = require("luv")
local test, equal = spec.test, spec.equal
local BURST = 100000

test("a burst of 100,000 arrives whole and in order", function()
  local port = moonport.port({ capacity = BURST })
  local count, sum = 0, 0
  port:on(function(value)
    count = count + 1
    assert(value == count, "order")
    sum = sum + value
    if count == BURST then
      moonport.stop()
    end
  end)
  for i = 1, BURST do
    assert(port:send(i))
  end
  moonport.run()
  equal(moonport.step(), 0)
  equal(count, BURST)
  equal(sum, BURST * (BURST + 1) / 2)
  local stats = port:stats()
  equal(stats.delivered, BURST)
  equal(stats.dropped + stats.refused, 0)
  port:close()
end)

test("luv's async gives the last payload and loses the others", function()
  local count, last = 0, nil
  local async
  async = uv.new_async(function(value)
    count = count + 1
    last = value
  end)
  for i = 1, BURST do
    async:send(i)
  end
  for _ = 1, 100 do
    uv.run("nowait")
  end
  async:close()
  uv.run("nowait")
  print(("luv's async: %d sends, %d callbacks, %d payloads lost"):format(BURST, count, BURST - count))
  equal(last, BURST)
  assert(count < BURST / 100, "luv coalesces no more: compare anew")
end)
