-- SPDX-License-Identifier: MIT OR Apache-2.0
-- `moonport bench`: runs the benchmarks that are named and reports them. Arguments: the file for JSON and that for HTML
-- ("" for none), then the names. All contestants run in the LuaJIT that runs this.

local folder = arg[0]:match("^(.*)/[^/]*$")
package.path = folder .. "/?.lua;" .. package.path
package.cpath = folder .. "/?.so;" .. package.cpath

local moonport = require("moonport")
local machine = require("machine")
local report = require("report")

local json, html = ...
local results = {}
for at = 3, select("#", ...) do
  local name = select(at, ...)
  local result = require(name).run(folder .. "/" .. name)
  result.name = name
  results[#results + 1] = result
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

local all = { machine = machine.describe(), benchmarks = results }
if json ~= "" then
  save(json, assert(moonport.json.encode(all)) .. "\n")
end
if html ~= "" then
  save(html, report.page(all, folder .. "/page.html"))
end
