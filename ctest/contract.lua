-- SPDX-License-Identifier: MIT OR Apache-2.0
-- contract.lua: prints the declarations of include/moonport.h, one a line and without comments, to compare with contract.txt.
-- contract.lua cdef: checks that LuaJIT's FFI takes the header, with the numbers and sizes that C sees.

local file = assert(io.open("include/moonport.h"))
local text = file:read("*a")
file:close()

text = text:gsub("/%*.-%*/", "")
text = text:gsub('#ifdef __cplusplus%s*\nextern "C" {%s*\n#endif[^\n]*', "")
text = text:gsub("#ifdef __cplusplus%s*\n}%s*\n#endif[^\n]*", "")
text = text:gsub("\n#[^\n]*", "\n"):gsub("^#[^\n]*", "")
assert(not text:find("#", 1, true) and not text:find('extern "C"', 1, true), "the header has grown other lines")

if arg[1] == "cdef" then
  local ffi = require("ffi")
  ffi.cdef(text)
  local api = ffi.new("moonport_api")
  assert(ffi.sizeof(api) == 20 * ffi.sizeof("void *"), "moonport_api")
  assert(ffi.sizeof("moonport_port") == 8 and ffi.sizeof("moonport_state") == 8, "handles")
  assert(ffi.sizeof("moonport_port_stats") == 9 * 8, "moonport_port_stats")
  assert(ffi.C.MOONPORT_UNSUPPORTED == -12 and ffi.C.MOONPORT_MSGPACK == 3, "numbers")
  return
end

text = text:gsub("%s+", " ")
text = text:gsub(" ?([%(%),;{}]) ?", "%1"):gsub(" ?%* ?", " *"):gsub("%* %*", "**"):gsub("%( %*", "(*")
text = text:gsub(",", ", "):gsub("{", " {"):gsub("}", "} "):gsub("([%w_])%(%*", "%1 (*")

-- A line for each declaration, and for each member and number: a difference then shows what changed.
local depth, parentheses, line, lines = 0, 0, "", {}
local function finish()
  line = line:match("^%s*(.-)%s*$")
  if line ~= "" then
    lines[#lines + 1] = line
  end
  line = ""
end
for character in text:gmatch(".") do
  line = line .. character
  if character == "(" then
    parentheses = parentheses + 1
  elseif character == ")" then
    parentheses = parentheses - 1
  elseif character == "{" then
    depth = depth + 1
    finish()
  elseif character == "}" then
    depth = depth - 1
  elseif parentheses == 0 and (character == ";" or character == "," and depth > 0) then
    finish()
  end
end
finish()
assert(depth == 0 and parentheses == 0, "the header's brackets")
print(table.concat(lines, "\n"))
