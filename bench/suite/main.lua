-- SPDX-License-Identifier: MIT OR Apache-2.0
-- `moonport bench`: runs the benchmarks that are named and reports them. Arguments: the file for JSON, that for HTML and the
-- folder for plots ("" for none), then the names. All contestants run in the LuaJIT that runs this.

local folder = arg[0]:match("^(.*)/[^/]*$")
package.path = folder .. "/?.lua;" .. package.path
package.cpath = folder .. "/?.so;" .. package.cpath

local moonport = require("moonport")
local charts = require("charts")
local machine = require("machine")
local page = require("page")
local progress = require("progress")
local report = require("report")

local WIDTH = 720 -- of a plot, in pixels

local json, html, plots = ...
local names = { select(4, ...) }
io.stdout:setvbuf("line")
local all = { machine = machine.describe(names), benchmarks = {} }
for at, name in ipairs(names) do
  local result = require(name).run(folder .. "/" .. name, progress.of(name))
  progress.done()
  result.name = name
  all.benchmarks[at] = result
  report.print(result)
end

local function save(path, text)
  local file, message = io.open(path, "w")
  if not file then
    error("moonport bench: cannot write " .. message, 0)
  end
  file:write(text)
  file:close()
end

if json ~= "" then
  save(json, assert(moonport.json.encode(all)) .. "\n")
end
if html ~= "" then
  save(html, page(all, folder .. "/page.html"))
end
if plots ~= "" then
  machine.output("mkdir -p " .. machine.quote(plots))
  for _, result in ipairs(all.benchmarks) do
    for at, part in ipairs(charts.of(result)) do
      save(("%s/%s-%s.svg"):format(plots, result.name, part.plot or at), charts.draw(part, WIDTH))
    end
  end
end
