-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Draws the figures of docs/three-ways.md from what `moonport bench ways --json FILE` has measured: plots.lua FILE FOLDER.
local moonport = require("moonport")
local source, folder = ...

local WIDTH, LEFT, RIGHT, TOP, LINE = 720, 96, 96, 52, 30
local SPAN = WIDTH - LEFT - RIGHT

-- Readable where the page is light and where it is dark.
local STYLE = [[
text { font: 13px system-ui, sans-serif; fill: #1c1e26; }
.title { font-size: 15px; font-weight: 600; }
.soft { fill: #5b6070; font-size: 12px; }
.grid { stroke: #dcdfe8; }
.mark, .range { fill: #8a91a5; stroke: #8a91a5; }
.own { fill: #2f62c0; stroke: #2f62c0; }
@media (prefers-color-scheme: dark) {
  text { fill: #e8eaf2; }
  .soft { fill: #a3a9bb; }
  .grid { stroke: #333847; }
  .mark, .range { fill: #7c8398; stroke: #7c8398; }
  .own { fill: #7ea6f4; stroke: #7ea6f4; }
}
]]

local function element(name, attributes, text)
  local parts = {}
  for key, value in pairs(attributes) do
    parts[#parts + 1] = (' %s="%s"'):format(key:gsub("_", "-"), type(value) == "number" and ("%.1f"):format(value) or value)
  end
  table.sort(parts)
  return ("<%s%s>%s</%s>"):format(name, table.concat(parts), text or "", name)
end

local function text(x, y, class, anchor, words)
  return element("text", { x = x, y = y, class = class, text_anchor = anchor }, words)
end

local function save(name, title, lines, height)
  local head = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">'):format(WIDTH, height, title)
  local all = { head, "<style>", STYLE .. "</style>", text(0, 18, "title", "start", title), table.concat(lines, "\n"), "</svg>\n" }
  local file = assert(io.open(("%s/three-ways-%s.svg"):format(folder, name), "w"))
  file:write(table.concat(all, "\n"))
  file:close()
end

local function class(way, kind)
  return way == "queue" and "own" or kind
end

local function short(microseconds)
  if microseconds >= 1000 then
    return ("%.1f ms"):format(microseconds / 1000)
  end
  return (microseconds >= 10 and "%.0f µs" or "%.1f µs"):format(microseconds)
end

-- A dot at the median and a line to 99 %, on a scale of powers of ten.
local function draw_delays(rows)
  local powers = { 0.1, 1, 10, 100, 1000, 10000 }
  local first, last = math.log(powers[1]), math.log(powers[#powers])
  local function place(value)
    return LEFT + (math.log(value) - first) / (last - first) * SPAN
  end
  local bottom = TOP + #rows * LINE
  local lines = {}
  for _, power in ipairs(powers) do
    lines[#lines + 1] = element("line", { x1 = place(power), x2 = place(power), y1 = TOP - 12, y2 = bottom, class = "grid" })
    lines[#lines + 1] = text(place(power), bottom + 16, "soft", "middle", (short(power):gsub("%.0", "")))
  end
  for at, row in ipairs(rows) do
    local way, median, most = row[1], row[2], row[4]
    local y = TOP + (at - 0.5) * LINE
    local range = { x1 = place(median), x2 = place(most), y1 = y, y2 = y, class = class(way, "range"), stroke_width = 3 }
    lines[#lines + 1] = text(LEFT - 12, y + 4, "", "end", way)
    lines[#lines + 1] = element("line", range)
    lines[#lines + 1] = element("circle", { cx = place(median), cy = y, r = 6, class = class(way, "mark") })
    lines[#lines + 1] = text(place(most) + 10, y + 4, "soft", "start", short(median))
  end
  save("delay", "From a call to its handler: the median, and the line to 99 %", lines, bottom + 28)
end

-- Bars from zero; groups are { title, rows }, rows { way, value }.
local function draw_bars(name, title, unit, groups)
  local most = 0
  for _, group in ipairs(groups) do
    for _, row in ipairs(group.rows) do
      most = math.max(most, row[2])
    end
  end
  local lines, y = {}, TOP - 10
  for _, group in ipairs(groups) do
    if group.title then
      lines[#lines + 1] = text(LEFT, y + 4, "soft", "start", group.title)
      y = y + 14
    end
    for _, row in ipairs(group.rows) do
      local way, value = row[1], row[2]
      local width = math.max(value / most * SPAN, 1)
      local bar = { x = LEFT, y = y, width = width, height = LINE - 10, rx = 3, class = class(way, "mark"), stroke = "none" }
      lines[#lines + 1] = text(LEFT - 12, y + 15, "", "end", way)
      lines[#lines + 1] = element("rect", bar)
      lines[#lines + 1] = text(LEFT + width + 8, y + 15, "soft", "start", unit:format(value))
      y = y + LINE
    end
    y = y + 14
  end
  save(name, title, lines, y)
end

local file = assert(io.open(source))
local all = assert(moonport.json.decode(file:read("*a")))
file:close()
local ways
for _, benchmark in ipairs(all.benchmarks) do
  ways = ways or benchmark.name == "ways" and benchmark
end
assert(ways, source .. " has no benchmark named ways")
local delays, floods = ways.tables[1].rows, ways.tables[2].rows

draw_delays(delays)
local idle = {}
for at, row in ipairs(delays) do
  idle[at] = { row[1], row[6] }
end
draw_bars("idle", "CPU of the process while nobody calls", "%.2f %%", { { rows = idle } })
local groups = {}
for _, threads in ipairs({ "1", "4" }) do
  local rows = {}
  for _, row in ipairs(floods) do
    if row[1] == threads then
      rows[#rows + 1] = { row[2], row[3] }
    end
  end
  groups[#groups + 1] = { title = threads == "1" and "1 thread" or threads .. " threads", rows = rows }
end
draw_bars("throughput", "Calls a second, flat out", "%.2f million/s", groups)
