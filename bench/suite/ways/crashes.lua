-- SPDX-License-Identifier: MIT OR Apache-2.0
-- How a program dies whose ffi.cast callback is called by other threads: crash.lua, so many times.

local machine = require("machine")

local crashes = {}
local RUNS = 20
local SECONDS = 3

-- "PANIC: ..." is LuaJIT's last word; what it says beyond that may be part of what was destroyed.
local function end_of(text, status)
  if not text:find("begun", 1, true) then
    error("moonport bench ways: crash.lua does not begin:\n" .. text, 0)
  elseif text:find("(bad callback)", 1, true) then
    return "PANIC (bad callback)"
  elseif text:find("PANIC:", 1, true) then
    return "PANIC"
  elseif status == 124 or status == 137 then
    return "hangs, and is ended"
  elseif status > 128 then
    local fine, name = machine.output(("kill -l %d"):format(status - 128))
    return fine and "SIG" .. name:gsub("%s", ""):gsub("^SIG", "") or ("signal %d"):format(status - 128)
  elseif status == 0 and text:find("alive", 1, true) then
    return "alive"
  elseif status == 1 and text:find("moonport: ", 1, true) then
    return "an error that no line raised"
  end
  return ("status %d"):format(status)
end

local function run(executable, folder, library)
  local words = { machine.quote(executable), "run", machine.quote(folder .. "/crash.lua"), machine.quote(library), SECONDS }
  -- No core files: that it dies is the point. The shell that waits says which signal it was, and is told to be silent.
  local command = "(ulimit -c 0; timeout --kill-after=1 %d sh -c %s) 2>&1; echo \" ended $?\""
  local inner = machine.quote(table.concat(words, " ") .. "; exit $?")
  local _, text = machine.output(command:format(SECONDS + 5, inner))
  return end_of(text, tonumber(text:match("ended (%d+)%s*$")))
end

-- A table of how so many runs ended, most frequent first; and how many died.
function crashes.count(executable, folder, library, progress)
  local counts, names, died = {}, {}, 0
  for at = 1, RUNS do
    progress(("crash %d of %d"):format(at, RUNS))
    local name = run(executable, folder, library)
    if not counts[name] then
      counts[name] = 0
      names[#names + 1] = name
    end
    counts[name] = counts[name] + 1
    died = died + (name == "alive" and 0 or 1)
  end
  table.sort(names, function(a, b)
    return counts[a] ~= counts[b] and counts[a] > counts[b] or counts[a] == counts[b] and a < b
  end)
  local rows = {}
  for at, name in ipairs(names) do
    rows[at] = { name, ("%d"):format(counts[name]) }
  end
  return {
    title = ("How %d runs of %d s ended in which 4 threads call an ffi.cast callback"):format(RUNS, SECONDS),
    columns = { "it ended by", "runs" },
    rows = rows,
  }, died, RUNS
end

return crashes
