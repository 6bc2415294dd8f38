-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Results as one page that needs nothing else.

local charts = require("charts")
local escape = require("escape")
local report = require("report")
local svg = require("svg")

local WIDE, NARROW = 860, 360

-- What a browser shows of these two depends on its width.
local function figure(part)
  local wide = charts.draw(part, WIDE, "wide")
  return wide and "<figure>" .. wide .. charts.draw(part, NARROW, "narrow") .. "</figure>" or ""
end

local function table_of(part)
  local out = { "<div><table><tr>" }
  for at, name in ipairs(part.columns) do
    local is_number = part.rows[1] and type(part.rows[1][at]) == "number"
    out[#out + 1] = ("<th%s>%s</th>"):format(is_number and ' class="number"' or "", escape(name))
  end
  for _, row in ipairs(part.rows) do
    out[#out + 1] = "</tr>\n<tr>"
    for _, value in ipairs(row) do
      local class = type(value) == "number" and ' class="number"' or ""
      out[#out + 1] = ("<td%s>%s</td>"):format(class, escape(report.cell(value)))
    end
  end
  out[#out + 1] = "</tr></table></div>"
  return table.concat(out)
end

local function goals_of(goals)
  local out = {}
  for at, goal in ipairs(goals) do
    local value, limit, verdict = report.judge(goal)
    out[at] = ('<li class="%s"><b>%s</b> %s: %s, wanted %s</li>'):format(
      verdict == "met" and "met" or verdict == "missed" and "missed" or "open",
      escape(verdict),
      escape(goal.what),
      escape(value),
      escape(limit)
    )
  end
  return #out > 0 and "<h3>Goals</h3><ul>" .. table.concat(out, "\n") .. "</ul>" or ""
end

local function absent(missing)
  local out = {}
  for at, one in ipairs(missing or {}) do
    out[at] = ('<li class="open"><b>absent</b> %s: %s</li>'):format(escape(one.name), escape(one.reason))
  end
  return #out > 0 and "<h3>Not measured</h3><ul>" .. table.concat(out, "\n") .. "</ul>" or ""
end

local function section(result)
  local out = { ('<section id="%s"><h2>%s</h2>'):format(escape(result.name), escape(result.title)), goals_of(result.goals) }
  for _, part in ipairs(result.charts or {}) do
    out[#out + 1] = "<h3>" .. escape(part.title) .. "</h3>" .. figure(part)
  end
  for _, part in ipairs(result.tables) do
    out[#out + 1] = "<h3>" .. escape(part.title) .. "</h3>" .. figure(part) .. table_of(part)
  end
  out[#out + 1] = absent(result.missing)
  out[#out + 1] = "<h3>How it was measured</h3><p>" .. escape(table.concat(result.notes, "\n")) .. "</p></section>"
  return table.concat(out, "\n")
end

local function facts(machine)
  local out = {}
  for _, fact in ipairs(machine.facts) do
    out[#out + 1] = ("<dt>%s</dt><dd>%s</dd>"):format(escape(fact[1]), escape(fact[2]))
  end
  return table.concat(out, "\n")
end

-- The template with what was measured.
return function(all, template)
  local sections = {}
  for at, result in ipairs(all.benchmarks) do
    sections[at] = section(result)
  end
  local file = assert(io.open(template))
  local page = file:read("*a")
  file:close()
  local fields = { body = table.concat(sections, "\n"), facts = facts(all.machine), style = svg.STYLE }
  return (page:gsub("{{(%w+)}}", fields))
end
