-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The server that http.test.mjs calls: prints its URL, then its token. arg[1] is a folder with hello.txt.

local moonport = require("moonport")
local folder = arg[1]
local server = moonport.http()
local notes = {} -- what handlers found out, for GET /notes/{name}
local reports = {} -- what on_error heard, for GET /reports
local release = false

moonport.on_error(function(message, info)
  reports[#reports + 1] = { message, info.kind, info.name, info.traceback ~= nil }
end)

local function refused(fields)
  local ok, message = pcall(moonport.response, fields)
  return moonport.array({ ok, not ok and message or moonport.null })
end

-- What a request brings.
server:post("/echo", function(request)
  return request.data
end)
server:post("/json", function(request)
  return request.data
end, { content = "json" })
server:post("/raw", function(request)
  return { #request.body, request.data == nil }
end, { content = "raw" })
server:post("/null", function(request)
  return { request.data == moonport.null, request.data == nil }
end)
server:post("/same", function(request)
  request.mine = {}
  return {
    rawequal(request.data, request.data),
    rawequal(request.headers, request.headers),
    rawequal(request.mine, request.mine),
    request.none == nil and request.data.a ~= nil,
  }
end)
server:post("/kept", function(request)
  local data = request.data
  local again = rawequal(request.data, data)
  request.mine = "kept"
  local beside = rawequal(request.data, data)
  request.data = "own"
  return { again, beside, request.mine, request.data, request.method }
end)
server:post("/bytes", function(request)
  return moonport.response({ body = request.body, headers = { ["content-type"] = "application/octet-stream" } })
end)
server:post("/small", function(request)
  return request.body
end, { max_body = 10 })
server:get("/items/{id}", function(request)
  return { request.method, request.path, request.params.id }
end)
server:get("/a/{x}/b/{y}", function(request)
  return { request.params.x, request.params.y }
end)
server:get("/rest/{*rest}", function(request)
  return { request.params.rest }
end)
server:get("/query", function(request)
  return { request.query.one, request.query.many, type(request.query.none) }
end)
server:get("/headers", function(request)
  local headers = request.headers
  return { headers["x-one"], headers["x-many"], headers["X-One"] == nil, headers.cookie }
end)
server:get("/request", function(request)
  request.mine = "kept"
  return { request.mine, request.data == nil, request.body, request:aborted(), request.peer:match("^[%d.]+") }
end)
for _, method in ipairs({ "put", "patch", "delete" }) do
  server[method](server, "/method", function(request)
    return request.method
  end)
end
server:route("PURGE", "/method", function(request)
  return request.method
end)

-- What a handler may return.
local values = {
  text = "plain",
  html = "<!doctype html><p>hi",
  empty = "",
  number = 42,
  float = 1.5,
  yes = true,
  no = false,
  null = moonport.null,
  list = { 1, 2, 3 },
  none = moonport.array({}),
  map = { key = "value" },
}
server:get("/value/{name}", function(request)
  return values[request.params.name]
end)
server:get("/nothing", function() end)
server:get("/two", function()
  return "first", "second"
end)
local responses = {
  made = { status = 201, headers = { ["X-Made"] = "yes", Location = "/x", ["x-number"] = 7 }, body = "made" },
  json = { status = 418, json = { key = "value" } },
  typed = { body = "a,b", headers = { ["Content-Type"] = "text/csv" } },
  page = { body = "<!doctype html>" },
  cache = { body = "x", headers = { ["cache-control"] = "max-age=5" } },
  empty = {},
  bare = { status = 200 },
  gone = { status = 410 },
  file = { file = folder .. "/hello.txt" },
  missing = { file = folder .. "/missing.txt" },
}
server:get("/response/{name}", function(request)
  return moonport.response(responses[request.params.name])
end)
local bad = {
  linebreak = { headers = { ["x-bad"] = "a\r\nx-evil: b" }, body = "x" },
  name = { headers = { ["x bad"] = "a" } },
  ours = { headers = { ["Content-Length"] = "3" } },
  field = { stauts = 200 },
  status = { status = 99 },
  both = { body = "x", json = {} },
  body = { body = {} },
  json = { json = { draw = print } },
}
server:get("/refused/{name}", function(request)
  return refused(bad[request.params.name])
end)
local once
server:get("/reused", function()
  once = once or moonport.response({ body = "once" })
  return once
end)

-- Later.
server:get("/defer", function(request)
  local answer = request:defer()
  moonport.after(0.01, function()
    answer("deferred")
  end)
  return "ignored"
end)
server:get("/twice", function(request)
  local answer = request:defer()
  moonport.after(0.01, function()
    local first = answer("first")
    local second, message, name = answer("second")
    notes.twice = { first, second == nil, type(message), name }
  end)
end)
server:get("/badanswer", function(request)
  local answer = request:defer()
  local ok, message = pcall(answer, print)
  notes.badanswer = { ok, message }
  answer({ "after a bad one" })
end)
server:get("/sleep", function()
  notes.sleep = "sleeping"
  local ok = pcall(function()
    for _ = 1, 1000 do
      if release then
        break
      end
      moonport.sleep(0.01)
    end
  end)
  return { "slept", ok, release }
end)
server:get("/release", function()
  release = true
end)
local late
server:get("/late", function(request)
  late = request:defer()
end, { deadline = 0.2 })
server:get("/late/answer", function()
  local ok, message, name = late("too late")
  return { ok == nil, type(message), name }
end)
server:get("/leave", function(request)
  local answer = request:defer()
  notes.leave = { "waiting", request:aborted() }
  local timer
  timer = moonport.every(0.01, function()
    if request:aborted() then
      timer:cancel()
      local ok, message, name = answer("nobody is here")
      notes.leave = { "gone", ok == nil, type(message), name }
    end
  end)
end)
server:get("/notes/{name}", function(request)
  return notes[request.params.name]
end)
server:get("/busy", function()
  local started = os.clock()
  repeat
  until os.clock() - started > 0.3
  return "busy"
end)

-- Errors.
server:get("/error", function()
  error("secret cause")
end)
server:get("/error/table", function()
  error({})
end)
server:get("/error/sleep", function()
  moonport.sleep(0.001)
  error("after a sleep")
end)
server:get("/error/function", function()
  return print
end)
server:get("/error/cycle", function()
  local cycle = {}
  cycle.self = cycle
  return cycle
end)
server:get("/error/deep", function()
  return { items = { 1, { draw = print } } }
end)
server:get("/error/field", function()
  local response = moonport.response({ stauts = 200 })
  return response
end)
server:get("/reports", function()
  local told = reports
  reports = {}
  return moonport.array(told)
end)

-- The rest.
server:get("/open", function()
  return "open"
end, { token = false })
server:get("/link", function()
  return server:link("/value/text?x=1")
end)
server:get("/stats", function()
  local stats = server:stats()
  return { stats.connections >= 1, stats.requests >= 1, stats.forwarded >= 1, stats.timeouts }
end)
server:get("/report", function()
  local open = moonport.report()
  return { open[1].kind, open[1].created:match("[^/]*$") ~= nil }
end)
server:get("/stop", function()
  moonport.stop()
  return "stopping"
end)
server:static("/files", folder)

print(assert(server:start()))
print(server.token)
io.stdout:flush()
moonport.run()
print("run() returned")
server:stop()
