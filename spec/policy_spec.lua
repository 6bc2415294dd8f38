-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What a full port does: its policies, waiting senders, overflow events; and what other code finds: names, senders.
local spec = ...
local moonport = require("moonport")
local test, equal, match, raises, handler = spec.test, spec.equal, spec.match, spec.raises, spec.handler

local function drain()
  while moonport.step() > 0 do
  end
end

-- Sends 1 to 10 to a port with room for 4 before anything is delivered; gives what arrives, the answers and the counts.
local function flood(overflow)
  local port = moonport.port({ name = "spec: " .. overflow, capacity = 4, overflow = overflow })
  local events, answers, got = {}, {}, {}
  moonport.on_error(function(message, info)
    events[#events + 1] = info.kind .. ": " .. message
    equal(info.name, "spec: " .. overflow)
  end)
  local last = 0
  port:on(handler(function(value, message)
    assert(message.sequence > last, "sequence")
    last = message.sequence
    got[#got + 1] = value
  end))
  for i = 1, 10 do
    local ok, _, name = port:send(i)
    answers[i] = ok and "ok" or name
  end
  local full = port:stats()
  drain()
  port:send(11)
  drain()
  local stats = port:stats()
  equal(stats.waiting, 0)
  equal(stats.waiting_bytes, 0)
  port:close()
  moonport.on_error(nil)
  return table.concat(got, " "), table.concat(answers, " "), full, stats, events
end

test("error refuses what has no room", function()
  local got, answers, full, stats, events = flood("error")
  equal(got, "1 2 3 4 11")
  equal(answers, "ok ok ok ok full full full full full full")
  equal(full.waiting, 4)
  equal(stats.sent, 5)
  equal(stats.delivered, 5)
  equal(stats.refused, 6)
  equal(stats.dropped, 0)
  equal(stats.high_water, 4)
  equal(#events, 0)
end)

test("drop_new discards the new ones and tells it twice an episode", function()
  local got, answers, _, stats, events = flood("drop_new")
  equal(got, "1 2 3 4 11")
  equal(answers, "ok ok ok ok ok ok ok ok ok ok")
  equal(stats.sent, 5)
  equal(stats.dropped, 6)
  equal(stats.refused, 0)
  equal(#events, 2)
  match(events[1], "^overflow: port \"spec: drop_new\": full")
  match(events[2], "^overflow: port \"spec: drop_new\": 6 messages were dropped$")
end)

test("drop_old keeps the newest four and tells it twice an episode", function()
  local got, answers, full, stats, events = flood("drop_old")
  equal(got, "7 8 9 10 11")
  equal(answers, "ok ok ok ok ok ok ok ok ok ok")
  equal(full.waiting, 4)
  equal(stats.sent, 11)
  equal(stats.delivered, 5)
  equal(stats.dropped, 6)
  equal(#events, 2)
  match(events[2], "6 messages were dropped$")
end)

test("latest keeps the newest one and tells nothing", function()
  local got, answers, full, stats, events = flood("latest")
  equal(got, "10 11")
  equal(answers, "ok ok ok ok ok ok ok ok ok ok")
  equal(full.waiting, 1)
  equal(stats.sent, 11)
  equal(stats.delivered, 2)
  equal(stats.dropped, 9)
  equal(#events, 0)
end)

test("block never waits for itself", function()
  local got, answers, _, stats, events = flood("block")
  equal(got, "1 2 3 4 11")
  local deadlock = " would_deadlock"
  equal(answers, "ok ok ok ok" .. deadlock:rep(6))
  equal(stats.refused, 6)
  equal(#events, 0)
end)

test("bytes are limited as messages are", function()
  local port = moonport.port({ capacity_bytes = 10, overflow = "drop_old" })
  local got = {}
  port:on(function(value)
    got[#got + 1] = value
  end)
  for _, text in ipairs({ "aaaa", "bbbb", "cc", "ddddd" }) do
    equal(port:send(text), true)
  end
  local ok, message, name = port:send(("x"):rep(11))
  equal(ok, nil)
  equal(name, "too_big")
  match(message, "larger than the port could ever hold")
  equal(port:stats().waiting_bytes, 7)
  moonport.on_error(function() end)
  drain()
  equal(table.concat(got, " "), "cc ddddd")
  port:close()
end)

test("what a policy discards is not received either", function()
  local port = moonport.port({ capacity = 2, overflow = "drop_old" })
  moonport.on_error(function() end)
  for i = 1, 5 do
    port:send(i)
  end
  local _, first = port:receive()
  local _, second = port:receive()
  equal(first .. " " .. second, "4 5")
  equal((port:receive()), false)
  moonport.step()
  port:close()
end)

test("latest takes the place of the one that it replaces", function()
  local progress, log = moonport.port({ overflow = "latest" }), moonport.port()
  local got = {}
  local function collect(value)
    got[#got + 1] = value
  end
  progress:on(collect)
  log:on(collect)
  progress:send(1)
  log:send("a")
  progress:send(2)
  log:send("b")
  drain()
  equal(table.concat(got, " "), "2 a b")
  progress:close()
  log:close()
end)

test("a timeout waits for room, but not on the thread that would make it", function()
  local port = moonport.port({ capacity = 1 })
  equal(port:send(1, { timeout = 1 }), true)
  local ok, _, name = port:send(2, { timeout = 60 })
  equal(ok, nil)
  equal(name, "would_deadlock")
  raises("timeout: expected a number of seconds, got string", port.send, port, 1, { timeout = "soon" })
  port:close()
end)

test("unknown policies and codecs are named", function()
  raises("moonport.port: overflow: expected .*, got \"maybe\"", moonport.port, { overflow = "maybe" })
  raises("moonport.port: codec: expected .*, got \"xml\"", moonport.port, { codec = "xml" })
end)

test("connect finds open ports by name, in their own state too", function()
  local port = moonport.port({ name = "spec: harbour" })
  local sender = assert(moonport.connect("spec: harbour"))
  local got = {}
  port:on(handler(function(value, message)
    got[#got + 1] = value
    equal(message.tag, 7)
  end))
  equal(sender:send("one", { tag = 7 }), true)
  equal(sender:send({ two = 2 }, { tag = 7 }), true)
  drain()
  equal(got[1], "one")
  equal(got[2].two, 2)
  local ok, message, name = sender:call("question", 1)
  equal(ok, false)
  equal(name, "would_deadlock")
  match(message, "^sender:call: ")
  sender:close()
  ok, message, name = sender:send("late", { tag = 7 })
  equal(ok, nil)
  equal(name, "closed")
  moonport.step()
  equal(port:stats().after_close, 1)
  equal(#moonport.report(), 0)
  raises("port:on: the port is closed", port.on, port, print)
  local nothing
  nothing, message, name = moonport.connect("spec: nowhere")
  equal(nothing, nil)
  equal(name, "not_found")
  match(message, "spec: nowhere")
  raises("moonport.connect: expected a name, got n", moonport.connect)
end)

test("a name is free again after close, and a second port of that name is refused", function()
  local port = moonport.port({ name = "spec: berth" })
  local second, message, name = moonport.port({ name = "spec: berth" })
  equal(second, nil)
  equal(name, "exists")
  match(message, "spec: berth")
  port:close()
  port = assert(moonport.port({ name = "spec: berth" }))
  port:close()
end)

test("ports and senders cross as senders", function()
  local port, answers = moonport.port(), moonport.port()
  port:send({ to = answers, again = moonport.connect("spec: nobody") or "none" })
  local _, value = port:receive()
  equal(value.to:send("hello"), true)
  local _, hello = answers:receive()
  equal(hello, "hello")
  port:close()
  answers:close()
end)

test("closed ports keep their counts, and their places are used again", function()
  local first = moonport.port()
  first:send(1)
  first:close()
  local handles = {}
  for _ = 1, 100 do
    local port = moonport.port()
    handles[tostring(port:handle())] = true
    port:close()
  end
  collectgarbage()
  collectgarbage()
  for _ = 1, 100 do
    local port = moonport.port()
    local handle = tostring(port:handle())
    equal(handles[handle], nil, "a handle came twice")
    handles[handle] = true
    port:close()
  end
  local stats = first:stats()
  equal(stats.sent, 1)
  equal(stats.dropped, 1)
  equal(stats.waiting, 0)
end)
