-- SPDX-License-Identifier: MIT OR Apache-2.0
-- How often, and how, a process dies whose C thread calls a function pointer of ffi.cast's.

local machine = require("machine")
local rounds = require("rounds")

local crashes = {}
local RUNS = 3 * rounds.COUNT
-- 128 and the signal's number.
local SIGNALS = { [132] = "SIGILL", [134] = "SIGABRT", [135] = "SIGBUS", [139] = "SIGSEGV" }

-- How one run ended, in words.
local function ended(text)
  local status = tonumber(text:match("status (%d+)%s*$"))
  if text:find("it lives on", 1, true) then
    return "lived on", false
  elseif text:find("bad callback", 1, true) then
    return "PANIC: bad callback", true
  elseif status == 124 or status == 137 then
    return "hung", true
  elseif text:find("PANIC", 1, true) then
    return "PANIC: another error", true
  end
  return SIGNALS[status] or ("status %s"):format(status or "?"), true
end

-- Runs it: a table of how the runs ended, and in how many of how many it died.
function crashes.run(folder, executable, library, header, progress)
  local counts, order, died = {}, {}, 0
  local words = {}
  for _, word in ipairs({ executable, "run", folder .. "/crash.lua", library, header }) do
    words[#words + 1] = machine.quote(word)
  end
  local command = "ulimit -c 0; timeout --kill-after=1 10 " .. table.concat(words, " ")
  for run = 1, RUNS do
    progress(("ffi.cast, run %d of %d"):format(run, RUNS))
    local _, text = machine.output("{ " .. command .. "; echo status $?; }")
    local how, is_death = ended(text)
    if not counts[how] then
      order[#order + 1] = how
    end
    counts[how] = (counts[how] or 0) + 1
    died = died + (is_death and 1 or 0)
  end
  local rows = {}
  for at, how in ipairs(order) do
    rows[at] = { how, ("%d of %d"):format(counts[how], RUNS) }
  end
  return {
    title = "ffi.cast: one C thread calls a Lua function, while Lua runs for 3 s",
    columns = { "how it ended", "runs" },
    rows = rows,
  }, died / RUNS
end

return crashes
