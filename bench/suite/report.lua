-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Shows results as text. A result has a title, notes, tables and goals, may have charts (charts.lua), and what is missing:
--   table = { title, columns = { name, ... }, rows = { { cell, ... }, ... }, bar = column that charts draw }
--           A cell is a text, a number or a range { least, most }. Where the column behind the bar has no range of it,
--           range = { column, column } may name one. The last text before the bar says whose it is, or that in column who.
--           linear = true: bars, not dots on a logarithmic scale, though the values are far apart
--           plot = the name of the chart's file, if not the table's number
--   missing = { { name, reason }, ... }
--   goal = { what, value, limit, at = "least" or "most", unit, missing = why there is no value }

local report = {}

local function met(goal)
  if goal.at == "least" then
    return goal.value >= goal.limit
  end
  return goal.value <= goal.limit
end

local function number(value)
  return (value >= 100 and "%.0f" or (value >= 0.1 or value <= 0) and "%.2f" or "%.2g"):format(value)
end

-- The value, the limit and the verdict of a goal, as text.
function report.judge(goal)
  local unit = goal.unit or ""
  local limit = ("at %s %s%s"):format(goal.at, number(goal.limit), unit)
  if not goal.value then
    return "not measured (" .. goal.missing .. ")", limit, "not measured"
  end
  return number(goal.value) .. unit, limit, met(goal) and "met" or "missed"
end

local function width(text)
  return #text:gsub("[\128-\191]", "")
end

-- A cell as text.
function report.cell(value)
  if type(value) == "table" then
    return number(value[1]) .. " to " .. number(value[2])
  end
  return type(value) == "number" and number(value) or value
end

local function print_rows(columns, rows)
  local widths = {}
  for _, row in ipairs({ columns, unpack(rows) }) do
    for at, value in ipairs(row) do
      widths[at] = math.max(widths[at] or 0, width(report.cell(value)))
    end
  end
  for _, row in ipairs({ columns, unpack(rows) }) do
    local line = {}
    for at, value in ipairs(row) do
      local space = (" "):rep(widths[at] - width(report.cell(value)))
      line[at] = type(value) == "number" and space .. report.cell(value) or report.cell(value) .. space
    end
    print("  " .. (table.concat(line, "  "):gsub("%s+$", "")))
  end
end

local function print_goals(goals)
  print("\nGoals")
  local rows = {}
  for at, goal in ipairs(goals) do
    local value, limit, verdict = report.judge(goal)
    goal.verdict = verdict
    rows[at] = { goal.what, value, limit, verdict }
  end
  print_rows({ "what", "is", "wanted", "" }, rows)
end

function report.print(result)
  print(result.title)
  for _, part in ipairs(result.tables) do
    print("\n" .. part.title)
    print_rows(part.columns, part.rows)
  end
  if #result.goals > 0 then
    print_goals(result.goals)
  end
  print("\n" .. table.concat(result.notes, "\n"))
  for _, one in ipairs(result.missing or {}) do
    print(("%s: not measured (%s)"):format(one.name, one.reason))
  end
end

return report
