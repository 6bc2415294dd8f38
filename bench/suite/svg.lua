-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Pictures that are readable on a light and on a dark page: pieces of SVG, and the style that they share.

local escape = require("escape")

local svg = {}

-- The eight colours have at least 3:1 against the background.
svg.STYLE = [[
.plot { --ink: #1c1e26; --soft: #5b6070; --back: #fbfbfd; --line: #dcdfe8; }
.plot text { font: 12px system-ui, sans-serif; fill: var(--ink); stroke: var(--back); stroke-width: 4px; paint-order: stroke; }
.plot .soft { fill: var(--soft); }
.plot .group { font-weight: 600; }
.plot .back { fill: var(--back); }
.plot .grid { stroke: var(--line); }
.plot .whisker { stroke: var(--ink); stroke-width: 1.5; }
.plot polyline { fill: none; stroke: currentColor; stroke-width: 2.5; stroke-linejoin: round; }
.plot .fill { fill: currentColor; }
.c1 { color: #2f6fde; } .c2 { color: #c2410c; } .c3 { color: #15803d; } .c4 { color: #9333ea; }
.c5 { color: #0e7490; } .c6 { color: #be123c; } .c7 { color: #6b7280; } .c8 { color: #a16207; }
@media (prefers-color-scheme: dark) {
  .plot { --ink: #e8eaf2; --soft: #a3a9bb; --back: #14161d; --line: #333847; }
  .c1 { color: #7aa7ff; } .c2 { color: #ff9e64; } .c3 { color: #6fd39b; } .c4 { color: #c99bff; }
  .c5 { color: #5cc8d8; } .c6 { color: #ff8fa3; } .c7 { color: #a3a9bb; } .c8 { color: #e0b84c; }
}
]]

-- The class of the nth colour.
function svg.colour(at)
  return "c" .. (at - 1) % 8 + 1
end

-- About what a text is wide.
function svg.width(text)
  return 6.7 * #text:gsub("[\128-\191]", "")
end

-- The mark of an axis, which is a round number.
function svg.mark(value)
  return (("%.10g"):format(value):gsub("^(%d+)(%d%d%d)$", "%1,%2"))
end

-- A number as a person writes it.
function svg.number(value)
  if value >= 100 then
    return svg.mark(math.floor(value + 0.5))
  elseif value >= 10 then
    return ("%.1f"):format(value)
  elseif value >= 1 or value == 0 then
    return value == 0 and "0" or ("%.2f"):format(value)
  end
  return ("%.2g"):format(value)
end

-- Classes, a place and a text; anchor is start, middle or end.
function svg.text(class, x, y, anchor, text)
  return ('<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>'):format(class, x, y, anchor, escape(text))
end

function svg.line(class, x1, y1, x2, y2)
  return ('<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>'):format(class, x1, y1, x2, y2)
end

function svg.box(class, x, y, width, height)
  return ('<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>'):format(class, x, y, math.max(width, 0), height)
end

local TITLE = 26 -- pixels

-- The picture of these parts; class says when a page shows it. Alone it is a file, with its style and its title in it.
function svg.picture(title, width, height, parts, class)
  local whole = class and height or height + TITLE
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" class="plot %s" viewBox="0 0 %d %d" width="%d" height="%d" role="img">'):format(
      class or "",
      width,
      whole,
      width,
      whole
    ),
    ("<title>%s</title>"):format(escape(title)),
    class and "" or "<style>\n" .. svg.STYLE .. "</style>",
    svg.box("back", 0, 0, width, whole),
    class and "" or svg.text("group", 12, 20, "start", title),
    ('<g transform="translate(0 %d)">'):format(whole - height),
    table.concat(parts, "\n"),
    "</g></svg>\n",
  }
  return table.concat(out, "\n")
end

return svg
