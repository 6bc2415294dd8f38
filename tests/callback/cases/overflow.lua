-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Void callbacks that nobody serves for a while: what becomes of calls for which there is no room.
local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")

local PAIR = "void (*)(int thread, int number)"

-- Calls from another thread, numbered from 1, while nobody serves them.
local function post(callback, count)
  case.native().start("sequence", callback.pointer, 1, count):join()
end

local function numbers(got)
  local list = {}
  for i, call in ipairs(got) do
    list[i] = call[2]
  end
  return table.concat(list, " ")
end

case.test("overflow_drops_the_new_one_by_default", function()
  local callback, got = case.recorded(PAIR, { capacity = 10 })
  post(callback, 25)
  case.drain()
  case.equal(numbers(got), "1 2 3 4 5 6 7 8 9 10")
  case.counts(callback, { calls = 25, delivered = 10, dropped = 15 })
  case.reports = {}
end)

case.test("overflow_is_told_twice_an_episode", function()
  local callback, got = case.recorded(PAIR, { capacity = 3, name = "small" })
  for episode = 1, 2 do
    post(callback, 8)
    case.drain()
    case.match(case.told("overflow")[1], "small")
    -- The first that is taken again ends the episode.
    post(callback, 1)
    case.drain()
    local ended = case.told("overflow")
    case.match(ended[1], "small")
    case.match(ended[1], "5")
    post(callback, 3)
    case.drain()
    case.told()
    case.equal(#got, episode * 7)
  end
  case.counts(callback, { calls = 24, delivered = 14, dropped = 10 })
end)

case.test("overflow_reports_carry_the_callbacks_name", function()
  local callback = case.recorded(PAIR, { capacity = 1, name = "named" })
  post(callback, 2)
  case.drain()
  case.equal(case.reports[1].kind, "overflow")
  case.equal(case.reports[1].name, "named")
  case.reports = {}
end)

case.test("overflow_error_refuses_the_new_one", function()
  local callback, got = case.recorded(PAIR, { capacity = 4, overflow = "error" })
  post(callback, 6)
  case.drain()
  case.equal(numbers(got), "1 2 3 4")
  case.counts(callback, { calls = 6, delivered = 4, dropped = 2 })
end)

case.test("overflow_drop_old_keeps_the_newest", function()
  local callback, got = case.recorded(PAIR, { capacity = 10, overflow = "drop_old" })
  post(callback, 25)
  case.drain()
  case.equal(numbers(got), "16 17 18 19 20 21 22 23 24 25")
  case.counts(callback, { calls = 25, delivered = 10, dropped = 15 })
  case.told("overflow")
  post(callback, 1)
  case.drain()
  case.match(case.told("overflow")[1], "15")
end)

case.test("overflow_latest_keeps_one_and_tells_nothing", function()
  local callback, got = case.recorded(PAIR, { overflow = "latest" })
  post(callback, 25)
  case.drain()
  case.equal(numbers(got), "25")
  case.counts(callback, { calls = 25, delivered = 1, dropped = 24 })
  post(callback, 1)
  case.drain()
  case.equal(numbers(got), "25 1")
end)

case.test("overflow_block_lets_the_caller_wait_and_loses_nothing", function()
  local callback, got = case.recorded(PAIR, { capacity = 4, overflow = "block", timeout = 30 })
  local native = case.native()
  local threads = {}
  for i = 1, 3 do
    threads[i] = native.start("sequence", callback.pointer, i, 2000)
  end
  for i = 1, 3 do
    case.await(threads[i])
  end
  case.drain()
  case.equal(#got, 6000)
  local last = { 0, 0, 0 }
  for _, call in ipairs(got) do
    case.equal(call[2], last[call[1]] + 1)
    last[call[1]] = call[2]
  end
  case.counts(callback, { calls = 6000, delivered = 6000 })
end)

case.test("overflow_block_ends_after_the_timeout", function()
  local callback, got = case.recorded(PAIR, { capacity = 2, overflow = "block", timeout = 0.05 })
  post(callback, 4)
  case.drain()
  case.equal(numbers(got), "1 2")
  local stats = callback:stats()
  case.gives({ 4, 2, 2 }, stats.calls, stats.delivered, stats.timeouts)
end)

case.test("overflow_block_never_blocks_the_owner", function()
  local callback, got = case.recorded(PAIR, { capacity = 2, overflow = "block", timeout = 600 })
  case.here("sequence", callback.pointer, 1, 5)
  case.drain()
  case.equal(numbers(got), "1 2")
  local stats = callback:stats()
  case.gives({ 5, 2, 3, 0 }, stats.calls, stats.delivered, stats.dropped, stats.timeouts)
end)

case.test("overflow_block_ends_when_the_callback_is_closed", function()
  local callback, got =
    case.recorded(PAIR, { capacity = 2, overflow = "block", timeout = 600, name = "blocks" })
  local thread = case.native().start("sequence", callback.pointer, 1, 5)
  case.until_waiting("blocks", 2)
  while callback:stats().calls < 3 do
  end
  callback:close()
  thread:join()
  case.drain()
  case.equal(#got, 0)
  local stats = callback:stats()
  case.gives({ 5, 2, 3 }, stats.calls, stats.dropped, stats.after_close)
end)

case.test("overflow_capacity_bytes", function()
  local callback, got =
    case.recorded("void (*)(const char *data, size_t size)", { capacity_bytes = 10000 })
  -- Two of them fit, whatever is stored beside the bytes; the last could never.
  for _, size in ipairs({ 4000, 4000, 4000, 20000 }) do
    case.native().start("void (const char *, size_t)", callback.pointer, ("x"):rep(size)):join()
  end
  case.drain()
  case.equal(#got, 2)
  case.counts(callback, { calls = 4, delivered = 2, dropped = 2 })
  case.native().start("void (const char *, size_t)", callback.pointer, ("y"):rep(4000)):join()
  case.drain()
  case.gives({ 3, ("y"):rep(4000) }, #got, got[3][1])
  case.reports = {}
end)

case.test("overflow_of_one_callback_is_not_anothers", function()
  local small, few = case.recorded(PAIR, { capacity = 2 })
  local large, all = case.recorded(PAIR)
  for _ = 1, 10 do
    post(small, 3)
    post(large, 3)
  end
  case.drain()
  case.gives({ 2, 30 }, #few, #all)
  case.counts(small, { calls = 30, delivered = 2, dropped = 28 })
  case.counts(large, { calls = 30, delivered = 30 })
  case.reports = {}
end)

case.main()
