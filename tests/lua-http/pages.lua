-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Events for pages: POST /send sends, POST /restart stops the server and starts it again on its address. With the argument
-- "tls" it speaks TLS.

local moonport = require("moonport")
local first = moonport.http({ token = false })
local url = assert(first:start())
first:stop(0)
local server = moonport.http({
  address = url:match("//(.*)"),
  origins = { "http://localhost:3000" },
  tls = arg[1] == "tls" or nil,
})
local events = server:events("/events", { history = 10 })
local open = server:events("/open", { token = false })
local values = { text = "a\nb", number = 1.5, list = moonport.array({}), null = moonport.null }

server:post("/send", function(request)
  local data = request.data
  return { events:send(data.value, data.event), events:count(), server:stats().pages }
end)
server:post("/open/{name}", function(request)
  return { open:send(values[request.params.name]) }
end)
server:get("/misuse", function()
  local function refused(...)
    local ok, message = pcall(events.send, ...)
    return not ok and message or moonport.null
  end
  return {
    refused(events),
    refused(events, "x", "a\nb"),
    refused(events, "x", {}),
    refused(events, "\255"),
    refused(events, { draw = print }),
    select(2, pcall(events.send, {}, "x")),
    select(2, pcall(server.events, server, "/late")),
    select(2, pcall(server.events, server, "/late", { history = -1 })),
    select(2, pcall(server.events, server, "/late", { token = true })),
    select(2, pcall(first.events, first, "late")),
  }
end)
server:post("/restart", function()
  moonport.stop()
end)

-- For a browser: it writes down what it gets.
server:get("/page", function()
  return [[<!doctype html><title>pages</title><ol id="got"></ol><script>
    const source = new EventSource("/events");
    const show = (event) => {
      const line = document.createElement("li");
      line.textContent = `${event.lastEventId} ${event.type} ${event.data}`;
      document.getElementById("got").append(line);
    };
    source.onmessage = show;
    source.addEventListener("tick", show);
  </script>]]
end)

print(assert(server:start()))
print(server.token)
print(server:link("/page"))
io.stdout:flush()
while true do
  moonport.run()
  server:stop()
  print(events:send("while nobody listens"), events:count())
  print(assert(server:start()))
  io.stdout:flush()
end
