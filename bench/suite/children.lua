-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Contestants that run in a process of their own: each makes one measurement, and its last line is that, as JSON.

local machine = require("machine")
local moonport = require("moonport")

local children = {}
local PATIENCE = "60"

-- Runs a command, a list of words: what it printed; nil and the reason.
function children.ask(command)
  local words = { "timeout --kill-after=5", PATIENCE }
  for _, word in ipairs(command) do
    words[#words + 1] = machine.quote(word)
  end
  local fine, text = machine.output(table.concat(words, " "))
  local line = text:match("({[^\n]*})%s*$")
  local result = fine and line and moonport.json.decode(line)
  if result then
    return result
  end
  return nil, text:match("[^\n]+") or "it ended without a word"
end

return children
