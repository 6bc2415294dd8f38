-- The demo: a web page sends messages to this Lua program and gets answers.
-- The server has a thread of its own; every handler below runs on this one thread, one after
-- another, so plain Lua variables need no lock. SPDX-License-Identifier: MIT OR Apache-2.0
--   moonport run examples/demo/main.lua [address] [page directory] [tls]
local moonport = require "moonport"

local server = moonport.http {
  address = arg[1] or "127.0.0.1:8787",
  max_body = 16 * 1024,
  limits = { depth = 32 }, -- JSON nested deeper than this is refused
  client = true, -- /moonport.js, with which the page speaks to this program
  tls = arg[3] == "tls" or nil, -- https with a certificate that is made now
}
local handled = 0 -- how many came in by POST /messages and POST /burst
local kept = moonport.array {} -- the last 50 messages, newest first
local pages = {} -- the WebSockets of the pages that are open now

-- Pages need not ask what is new. One that reads too slowly is sent away; it comes back by itself,
-- and is told all that counts.
local function push(news)
  for page in pairs(pages) do
    if not page:send(news) then
      page:close(1001)
    end
  end
end

server:websocket("/live", {
  open = function(page)
    pages[page] = true
    page:send { lua = jit and jit.version or _VERSION, messages = kept }
  end,
  message = function() end, -- pages only listen
  close = function(page)
    pages[page] = nil
  end,
}, { codec = "json" })

moonport.every(0.25, function()
  push { handled = handled, kb = collectgarbage "count" }
end)

-- request.data is the JSON that was sent, as a Lua value. The server's thread has checked it:
-- a malformed body is answered 400 there, and this function is never called.
server:post("/messages", function(request)
  handled = handled + 1
  table.insert(kept, 1, { number = handled, at = os.date "%H:%M:%S", body = request.body })
  kept[51] = nil
  push { message = kept[1] }
  -- The table returned here is the answer, as JSON.
  return { number = handled, lua_type = type(request.data), you_sent = request.data }
end, { content = "json" })

server:post("/burst", function(request)
  handled = handled + 1
  return { n = request.data.n, handled = handled }
end, { content = "json" })

-- A busy loop, as a slow calculation would be. What comes meanwhile waits its turn.
server:post("/block", function()
  local start = os.clock()
  while os.clock() - start < 1 do
  end
  return { blocked = os.clock() - start }
end)

-- The count at this very moment, for a page that compares it with its own.
server:get("/status", function()
  return { handled = handled }
end)

local source = assert(io.open(arg[0], "rb")):read "*a"
server:get("/source", function()
  return source
end)

server:static("/", arg[2] or (arg[0]:match "^(.*[/\\])" or "") .. "page")

local url, message = server:start()
if not url then
  io.stderr:write("the demo cannot start: ", message, "\n")
  os.exit(1)
end
print("open " .. server:link())
if url:match "^https" then
  print "the browser does not know the certificate: this program has just made it"
end
io.stdout:flush() -- at once, even where the output is not a terminal
moonport.run()
