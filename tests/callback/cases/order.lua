-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What one thread sends arrives in the order it was sent, whichever way it goes.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local PAIR = "void (*)(int thread, int number)"

-- A function that takes (thread, number) and fails where a number is not the next of its thread; and the counts.
local function checker()
  local last = {}
  return function(thread, number)
    last[thread] = (last[thread] or 0) + 1
    if number ~= last[thread] then
      error(("thread %d: expected %d, got %d"):format(thread, last[thread], number), 0)
    end
  end,
    last
end

-- The number in four bytes, as this machine writes it.
local function number_in(bytes)
  local a, b, c, d = bytes:byte(1, 4)
  return a + b * 256 + c * 65536 + d * 16777216
end

case.test("order_across_callbacks_and_ports_from_four_threads", function()
  local moonport, native = require("moonport"), case.native()
  local check, last = checker()
  local options = { capacity = 1000000 }
  local one, two = moonport.callback(PAIR, check, options), moonport.callback(PAIR, check, options)
  local ports = {}
  for i = 1, 2 do
    ports[i] = moonport.port(options):on(function(bytes, message)
      check(message.tag, number_in(bytes))
    end)
  end
  local threads = {}
  for i = 1, 4 do
    threads[i] = native.start(
      "order",
      one.pointer,
      two.pointer,
      moonport.api,
      ports[1]:handle(),
      ports[2]:handle(),
      i,
      20000
    )
  end
  for i = 1, 4 do
    case.await(threads[i])
  end
  case.drain()
  case.gives({ 20000, 20000, 20000, 20000 }, last[1], last[2], last[3], last[4])
  case.counts(one, { calls = 20000, delivered = 20000 })
  case.counts(two, { calls = 20000, delivered = 20000 })
end)

case.test("order_on_the_owners_thread", function()
  local moonport = require("moonport")
  local check, last = checker()
  local one, two = moonport.callback(PAIR, check), moonport.callback(PAIR, check)
  local port = moonport.port():on(function(bytes, message)
    check(message.tag, type(bytes) == "number" and bytes or number_in(bytes))
  end)
  case.here("order", one.pointer, two.pointer, moonport.api, port:handle(), port:handle(), 1, 1000)
  port:send(1001, { tag = 1 })
  case.here(
    "void (int)",
    moonport.callback("void (*)(int)", function(number)
      check(1, number)
    end).pointer,
    1002
  )
  case.drain()
  case.equal(last[1], 1002)
end)

case.test("order_is_not_changed_by_sizes", function()
  local last = 0
  local callback = require("moonport").callback(
    "void (*)(const char *data, size_t size)",
    function(data, size)
      last = last + 1
      case.equal(number_in(data), last)
      case.equal(size, 4 + last * 7919 % 60000)
      case.equal(data:sub(5), string.char(97 + last % 26):rep(size - 4))
    end
  )
  case.await(case.native().start("sizes", callback.pointer, 500))
  case.drain()
  case.equal(last, 500)
end)

case.test("order_of_void_calls_before_an_asking_one", function()
  local moonport, native = require("moonport"), case.native()
  local posted = 0
  local post = moonport.callback("void (*)(int)", function(number)
    posted = posted + 1
    case.equal(number, posted)
  end)
  local ask = moonport.callback("int (*)(int)", function(number)
    case.equal(posted, number)
    return posted
  end, { default = -1 })
  case.equal(case.await(native.start("posts and asks", post.pointer, ask.pointer, 1000)), 1000)
  case.equal(posted, 1000)
end)

case.test("order_with_handlers_that_wait", function()
  -- Handlers start in order, also when those before them still wait.
  local moonport = require("moonport")
  local started, ended = 0, 0
  local callback = moonport.callback(PAIR, function(_, number)
    started = started + 1
    case.equal(number, started)
    moonport.sleep(number % 3 / 1000)
    ended = ended + 1
  end)
  case.await(case.native().start("sequence", callback.pointer, 1, 50))
  case.step_until(function()
    return ended == 50
  end)
  case.equal(started, 50)
end)

case.main()
