-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Shows results. A result has a title, notes, tables and goals:
--   table = { title, columns = { name, ... }, rows = { { text or number, ... }, ... }, bar = column that the page draws }
--   goal = { what, value, limit, at = "least" or "most", unit, missing = why there is no value }

local report = {}

local function met(goal)
  if goal.at == "least" then
    return goal.value >= goal.limit
  end
  return goal.value <= goal.limit
end

-- The value, the limit and the verdict of a goal, as text.
local function judge(goal)
  local unit = goal.unit or ""
  local limit = ("at %s %.2f%s"):format(goal.at, goal.limit, unit)
  if not goal.value then
    return "not measured (" .. goal.missing .. ")", limit, "not measured"
  end
  return ("%.2f%s"):format(goal.value, unit), limit, met(goal) and "met" or "missed"
end

local function width(text)
  return #text:gsub("[\128-\191]", "")
end

local function cell(value)
  if type(value) == "number" then
    return (value >= 100 and "%.0f" or "%.2f"):format(value)
  end
  return value
end

local function print_rows(columns, rows)
  local widths = {}
  for _, row in ipairs({ columns, unpack(rows) }) do
    for at, value in ipairs(row) do
      widths[at] = math.max(widths[at] or 0, width(cell(value)))
    end
  end
  for _, row in ipairs({ columns, unpack(rows) }) do
    local line = {}
    for at, value in ipairs(row) do
      local space = (" "):rep(widths[at] - width(cell(value)))
      line[at] = type(value) == "number" and space .. cell(value) or cell(value) .. space
    end
    print("  " .. (table.concat(line, "  "):gsub("%s+$", "")))
  end
end

function report.print(result)
  print(result.title)
  for _, part in ipairs(result.tables) do
    print("\n" .. part.title)
    print_rows(part.columns, part.rows)
  end
  print("\nGoals")
  local rows = {}
  for at, goal in ipairs(result.goals) do
    local value, limit, verdict = judge(goal)
    goal.verdict = verdict
    rows[at] = { goal.what, value, limit, verdict }
  end
  print_rows({ "what", "is", "wanted", "" }, rows)
  print("\n" .. table.concat(result.notes, "\n"))
end

local function escape(text)
  return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

local function html_table(part)
  local out = { "<h3>" .. escape(part.title) .. "</h3><table><tr>" }
  for _, name in ipairs(part.columns) do
    out[#out + 1] = "<th>" .. escape(name) .. "</th>"
  end
  local most = 0
  for _, row in ipairs(part.rows) do
    most = math.max(most, tonumber(row[part.bar]) or 0)
  end
  for _, row in ipairs(part.rows) do
    out[#out + 1] = "</tr><tr>"
    for at, value in ipairs(row) do
      local class = type(value) == "number" and ' class="number"' or ""
      local share = at == part.bar and type(value) == "number" and value / most * 100
      local bar = share and ('<i style="width:%.1f%%"></i>'):format(share) or ""
      out[#out + 1] = ("<td%s>%s<span>%s</span></td>"):format(class, bar, escape(cell(value)))
    end
  end
  out[#out + 1] = "</tr></table>"
  return table.concat(out)
end

local function html_goals(goals)
  local out = {}
  for at, goal in ipairs(goals) do
    local value, limit, verdict = judge(goal)
    out[at] = ('<li class="%s"><b>%s</b> %s: %s, wanted %s</li>'):format(
      verdict == "met" and "met" or verdict == "missed" and "missed" or "open",
      escape(verdict),
      escape(goal.what),
      escape(value),
      escape(limit)
    )
  end
  return "<h3>Goals</h3><ul>" .. table.concat(out) .. "</ul>"
end

-- One page that needs nothing else: the template with what was measured.
function report.page(all, template)
  local out = {}
  for _, result in ipairs(all.benchmarks) do
    out[#out + 1] = "<section><h2>" .. escape(result.title) .. "</h2>" .. html_goals(result.goals)
    for _, part in ipairs(result.tables) do
      out[#out + 1] = html_table(part)
    end
    for _, note in ipairs(result.notes) do
      out[#out + 1] = "<p>" .. escape(note) .. "</p>"
    end
    out[#out + 1] = "</section>"
  end
  local file = assert(io.open(template))
  local page = file:read("*a")
  file:close()
  local fields = {
    body = table.concat(out, "\n"),
    machine = escape(("%s, %d cores, %s, %s"):format(
      all.machine.processor,
      all.machine.cores,
      all.machine.system,
      all.machine.lua
    )),
  }
  return (page:gsub("{{(%w+)}}", fields))
end

return report
