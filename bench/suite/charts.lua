-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The charts of a result: one for each table that names a bar, and those that it has beside, which are curves:
--   chart = { title, x, y, series = { { name, points = { { x, y }, ... } }, ... }, plot }
-- Each is drawn for a width: below NARROW a bar's name stands above it.

local axis = require("axis")
local svg = require("svg")

local charts = {}
local NARROW = 600
local EDGE, VALUE = 12, 64 -- pixels: around a chart; for the number behind a bar

-- The range of a row's bar: the column behind it, or two that the table names.
local function range_of(part, row)
  if part.range then
    return row[part.range[1]], row[part.range[2]]
  end
  local behind = row[part.bar + 1]
  if type(behind) == "table" then
    return behind[1], behind[2]
  end
end

-- What the line through a bar says; nothing where there is none.
local function range_name(part)
  if part.range then
    return ("line: %s to %s"):format(part.columns[part.range[1]], part.columns[part.range[2]])
  elseif type(part.rows[1][part.bar + 1]) == "table" then
    return ("line: %s of the rounds"):format(part.columns[part.bar + 1])
  end
end

-- How many columns are names, the one that says who it is, and the name of a row's group.
local function naming(part)
  local names = 0
  while names + 1 < part.bar and type(part.rows[1][names + 1]) == "string" do
    names = names + 1
  end
  local who = part.who or names
  return who, function(row)
    local words = {}
    for at = 1, names do
      if at ~= who then
        words[#words + 1] = tonumber(row[at]) and part.columns[at] .. ": " .. row[at] or row[at]
      end
    end
    return table.concat(words, ", ")
  end
end

-- The bars of a table in groups, as they are drawn. A contestant keeps the colour that its place in its first group gave it.
local function groups_of(part)
  local who, group_of = naming(part)
  local groups, named, colours = {}, {}, {}
  for _, row in ipairs(part.rows) do
    if type(row[part.bar]) == "number" then
      local name = group_of(row)
      local group = named[name]
      if not group then
        group = { name = name }
        named[name] = group
        groups[#groups + 1] = group
      end
      local low, high = range_of(part, row)
      colours[row[who]] = colours[row[who]] or svg.colour(#group + 1)
      group[#group + 1] = { name = row[who], value = row[part.bar], low = low, high = high, class = colours[row[who]] }
    end
  end
  return groups
end

local function scale_of(groups, count, is_linear)
  local values = {}
  for _, group in ipairs(groups) do
    for _, bar in ipairs(group) do
      values[#values + 1] = bar.value
      values[#values + 1] = bar.high
    end
  end
  return axis.of(values, count, is_linear)
end

local function label_width(groups)
  local most = 0
  for _, group in ipairs(groups) do
    for _, bar in ipairs(group) do
      most = math.max(most, svg.width(bar.name))
    end
  end
  return most
end

-- One bar, or with a logarithmic scale, where a length means nothing, a dot; and its range as a line through it.
local function draw_bar(out, bar, scale, left, span, y)
  local function x(value)
    return left + span * scale.place(value)
  end
  if scale.is_logarithmic then
    out[#out + 1] = ('<circle class="fill %s" cx="%.1f" cy="%.1f" r="6"/>'):format(bar.class, x(bar.value), y)
  else
    out[#out + 1] = svg.box("fill " .. bar.class, left, y - 7, x(bar.value) - left, 14)
  end
  local ends = x(bar.value) + (scale.is_logarithmic and 6 or 0)
  if bar.low and bar.high then
    out[#out + 1] = svg.line("whisker", x(bar.low), y, x(bar.high), y)
    out[#out + 1] = svg.line("whisker", x(bar.low), y - 4, x(bar.low), y + 4)
    out[#out + 1] = svg.line("whisker", x(bar.high), y - 4, x(bar.high), y + 4)
    ends = math.max(ends, x(bar.high))
  end
  out[#out + 1] = svg.text("", ends + 6, y + 4, "start", svg.number(bar.value))
end

local function draw_scale(out, scale, name, left, span, top, bottom)
  for at, value in ipairs(scale.ticks) do
    local x = left + span * scale.place(value)
    table.insert(out, at, svg.line("grid", x, top, x, bottom))
    out[#out + 1] = svg.text("soft", x, bottom + 16, "middle", svg.mark(value))
  end
  local text = name .. (scale.is_logarithmic and " (logarithmic)" or "")
  out[#out + 1] = svg.text("soft", left + span / 2, bottom + 34, "middle", text)
end

local function bars(part, width)
  local groups = groups_of(part)
  local is_narrow = width < NARROW
  local scale = scale_of(groups, is_narrow and 4 or 6, part.linear)
  local left = is_narrow and EDGE + 4 or EDGE + label_width(groups) + 8
  local span = width - left - VALUE
  local out, y = {}, 4
  for _, group in ipairs(groups) do
    if group.name ~= "" then
      y = y + 22
      out[#out + 1] = svg.text("group", EDGE, y - 4, "start", group.name)
    end
    for _, bar in ipairs(group) do
      if is_narrow then
        y = y + 16
        out[#out + 1] = svg.text("", left, y - 2, "start", bar.name)
      else
        out[#out + 1] = svg.text("", left - 8, y + 16, "end", bar.name)
      end
      draw_bar(out, bar, scale, left, span, y + 12)
      y = y + 24
    end
  end
  draw_scale(out, scale, part.columns[part.bar], left, span, 4, y + 4)
  local line = range_name(part)
  if line then
    out[#out + 1] = svg.text("soft", left + span / 2, y + 54, "middle", line)
  end
  return out, y + (line and 64 or 48)
end

-- Names of the curves in lines across the top; gives where they end.
local function draw_legend(out, series, width)
  local x, y = EDGE, 18
  for at, one in ipairs(series) do
    local wide = 26 + svg.width(one.name) + 14
    if x > EDGE and x + wide > width - EDGE then
      x, y = EDGE, y + 20
    end
    out[#out + 1] = svg.box("fill " .. svg.colour(at), x, y - 6, 18, 4)
    out[#out + 1] = svg.text("", x + 24, y, "start", one.name)
    x = x + wide
  end
  return y
end

local function curves(part, width)
  local is_narrow = width < NARROW
  local values = {}
  for _, one in ipairs(part.series) do
    for _, point in ipairs(one.points) do
      values[#values + 1] = point[1]
    end
  end
  local scale, upright = axis.of(values, is_narrow and 4 or 8), axis.linear(100, 5)
  local out = {}
  local left, top = EDGE + 34, draw_legend(out, part.series, width) + 34
  local span, high = width - left - EDGE - 16, is_narrow and 200 or 260
  local function y(value)
    return top + high * (1 - upright.place(value))
  end
  out[#out + 1] = svg.text("soft", EDGE, top - 14, "start", part.y)
  for at, value in ipairs(upright.ticks) do
    table.insert(out, at, svg.line("grid", left, y(value), left + span, y(value)))
    out[#out + 1] = svg.text("soft", left - 6, y(value) + 4, "end", svg.mark(value))
  end
  draw_scale(out, scale, part.x, left, span, top, top + high)
  for at, one in ipairs(part.series) do
    local points = {}
    for i, point in ipairs(one.points) do
      points[i] = ("%.1f,%.1f"):format(left + span * scale.place(point[1]), y(point[2]))
    end
    out[#out + 1] = ('<polyline class="%s" points="%s"/>'):format(svg.colour(at), table.concat(points, " "))
  end
  return out, top + high + 44
end

-- The chart of a table or of curves for this width, as SVG; nothing where there is nothing to draw. class as svg.picture has it.
function charts.draw(part, width, class)
  local parts, height
  if part.series then
    if #part.series > 0 then
      parts, height = curves(part, width)
    end
  elseif part.bar and #part.rows > 0 then
    parts, height = bars(part, width)
  end
  return parts and svg.picture(part.title, width, height, parts, class)
end

-- All that a result has to draw: curves, then tables.
function charts.of(result)
  local all = {}
  for _, list in ipairs({ result.charts or {}, result.tables }) do
    for _, part in ipairs(list) do
      if charts.draw(part, NARROW) then
        all[#all + 1] = part
      end
    end
  end
  return all
end

return charts
