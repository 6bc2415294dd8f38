-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The server that form.test.mjs sends forms to: prints its URL. The form comes back as JSON, bodies of files by their bytes.

local moonport = require("moonport")
local server = moonport.http({ token = false, max_body = 4096 })
local calls = 0

local function show(value)
  if type(value) == "string" then
    return value
  elseif #value > 0 then
    local all = {}
    for at, one in ipairs(value) do
      all[at] = show(one)
    end
    return all
  end
  return { filename = value.filename, type = value.type, bytes = { value.body:byte(1, -1) } }
end

server:post("/form", function(request)
  calls = calls + 1
  if not request.form then
    return { form = moonport.null, body = request.body, data = request.data }
  end
  assert(request.form == request.form, "one table for one request")
  assert(request.data == nil and #request.body > 0)
  local form = {}
  for name, value in pairs(request.form) do
    form[name] = show(value)
  end
  return { form = form }
end)
server:post("/raw", function(request)
  return { request.form == nil, #request.body > 0 }
end, { content = "raw" })
server:get("/calls", function(request)
  return { calls, request.form == nil }
end)

print(assert(server:start()))
io.stdout:flush()
moonport.run()
