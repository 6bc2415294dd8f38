-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Floods: C threads that call as fast as they may. One that is checked, call for call, and the rounds that are measured.

local rounds = require("rounds")

local SIZE = 64
local THREADS = { 1, 4 }
local WARM = 200000
local CHECKED, CHECKED_THREADS = 10000, 4
-- Seconds after which a checked call that has not come counts as lost.
local PATIENCE = 5

local floods = {}

-- The handlers of all contestants in Lua; peer.js has the same. They report how far they are to the senders.
function floods.counting_for(caller)
  local share = caller.caller_share()
  return function(total, done)
    local count, mark = 0, share
    return function()
      count = count + 1
      if count == mark then
        mark = mark + share
        caller.caller_handled(count)
      end
      if count == total then
        done()
      end
    end, function()
      assert(count == total, "callbacks: not every call came exactly once")
    end
  end
end

-- The same for a checked run: `found` gets how many came and how many of them were wrong.
local function checking_for(caller, later, found)
  local counting = floods.counting_for(caller)
  return function(total, done)
    assert(caller.caller_expect(total) == 0)
    local cancel = later(PATIENCE, done)
    local handler = counting(total, done)
    local count = 0
    return function(text)
      count = count + 1
      caller.caller_check(text, #text)
      handler()
    end, function()
      cancel()
      found.received, found.corrupted = count, caller.caller_corrupted()
    end
  end
end

-- How many calls are lost, and how many come with a wrong string: false and the reason if that cannot be told.
local function check(contestant, caller)
  local found, reason = {}, nil
  if contestant.ask then
    found, reason = contestant.ask("check", CHECKED, CHECKED_THREADS)
  else
    contestant.run(SIZE, CHECKED, CHECKED_THREADS, checking_for(caller, contestant.later, found))
  end
  if not found then
    return false, reason
  end
  return { lost = CHECKED - found.received, corrupted = found.corrupted }
end

-- Leaves those who pass through a check at all; the others are missing for that reason.
function floods.check_all(all, missing, caller)
  local able = {}
  for _, contestant in ipairs(all) do
    local found, reason = check(contestant, caller)
    contestant.checked = found
    if found then
      able[#able + 1] = contestant
      able[contestant.name] = contestant
    else
      missing[contestant.name] = reason
    end
  end
  return able
end

function floods.checked_table(all)
  local rows = {}
  for at, contestant in ipairs(all) do
    rows[at] = { contestant.name, ("%d"):format(contestant.checked.lost), ("%d"):format(contestant.checked.corrupted) }
  end
  return {
    title = ("Of %d calls by %d threads"):format(CHECKED, CHECKED_THREADS),
    columns = { "contestant", "lost", "with a wrong string" },
    rows = rows,
  }
end

-- One sample; nil and the reason where a child fails, or loses a call of so many.
local function flood(contestant, count, threads, counting)
  if not contestant.ask then
    return rounds.sample(contestant.run(SIZE, count, threads, counting), count)
  end
  local spent, reason = contestant.ask("flood", count, threads)
  if not spent then
    return nil, reason
  end
  if spent.count ~= count then
    return nil, ("it lost %d of %d calls"):format(count - spent.count, count)
  end
  return rounds.sample(spent, count)
end

local function threads_of(case)
  return ("%d thread%s"):format(case.threads, case.threads == 1 and "" or "s")
end

-- The cases, and notes about those that failed.
function floods.throughput(all, counting, progress)
  local cases = {}
  for _, threads in ipairs(THREADS) do
    for _, contestant in ipairs(all) do
      cases[#cases + 1] = { contestant = contestant, threads = threads }
      if not contestant.ask then
        contestant.run(SIZE, math.min(WARM, contestant.count), threads, counting)
      end
    end
  end
  local able = rounds.run(cases, function(case)
    return flood(case.contestant, case.contestant.count, case.threads, counting)
  end, progress)
  local failures = {}
  for _, case in ipairs(cases) do
    if case.failed then
      failures[#failures + 1] = ("%s, %s: failed (%s)"):format(case.contestant.name, threads_of(case), case.failed)
    end
  end
  return able, failures
end

function floods.find(cases, name, threads)
  for _, case in ipairs(cases) do
    if case.contestant.name == name and case.threads == threads then
      return case
    end
  end
end

function floods.throughput_table(cases)
  local rows = {}
  for at, case in ipairs(cases) do
    rows[at] = rounds.row(threads_of(case), case.contestant.name, case)
  end
  return {
    title = ("Strings of %d bytes into a handler"):format(SIZE),
    columns = { "calls by", "contestant", "million/s", "spread", "owner's CPU, ns", "process's CPU, ns" },
    rows = rows,
    bar = 3,
  }
end

return floods
