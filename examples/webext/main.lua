-- Reads web pages: the extension beside this file sends the page that you are on, and shows what
-- this program answers. SPDX-License-Identifier: MIT OR Apache-2.0
--   moonport run examples/webext/main.lua [address] [token file] [socket]
local moonport = require "moonport"

-- The extension's id, which follows from "key" in its manifest. No other page may call.
local ORIGIN = "chrome-extension://nalllflocomoejcpepnbgjolilhpeiec"
local WORDS_A_MINUTE = 230
local SHOWN = 6

local home, runtime = os.getenv "HOME" or ".", os.getenv "XDG_RUNTIME_DIR"
local address = arg[1] or "127.0.0.1:8788"
local token_file = arg[2] or home .. "/.moonport-webext-token"
local socket = arg[3] or runtime and runtime .. "/moonport.sock"

local COMMON = {} -- words that say nothing about a page
for word in
  ([[about after also although because been before being between both can't could does doesn't don't
  each even every first from have here into it's just like made make many more most much must never
  only other over same should since some such than that their them then there these they this those
  through under until used uses using very were what when where which while will with within without
  would your]]):gmatch "%S+"
do
  COMMON[word] = true
end

--- A function that gives one word after another, in small letters where they are ASCII.
local function words(text)
  text = text:gsub("\226\128\153", "'"):gsub("\226\128.", " "):gsub("\194[\160-\191]", " ")
  return text:lower():gmatch "[%w\128-\255][%w\128-\255'-]*"
end

local function count(text)
  local total, counts = 0, {}
  for word in words(text) do
    word = word:gsub("['-]+$", "")
    total = total + 1
    if #word > 3 and not COMMON[word] and not tonumber(word) then
      counts[word] = (counts[word] or 0) + 1
    end
  end
  return total, counts
end

--- The words that come most often, those of one count by the alphabet.
local function frequent(counts)
  local list = moonport.array {}
  for word, times in pairs(counts) do
    list[#list + 1] = { word = word, times = times }
  end
  table.sort(list, function(left, right)
    if left.times ~= right.times then
      return left.times > right.times
    end
    return left.word < right.word
  end)
  for place = SHOWN + 1, #list do
    list[place] = nil
  end
  return list
end

local seen, addresses = {}, {} -- how often each of the last 1000 addresses was sent

local function remember(page_address)
  if not seen[page_address] then
    table.insert(addresses, page_address)
    if #addresses > 1000 then
      seen[table.remove(addresses, 1)] = nil
    end
  end
  seen[page_address] = (seen[page_address] or 0) + 1
  return seen[page_address]
end

local function read_page(request)
  local page = request.data
  for _, name in ipairs { "address", "title", "text", "selection" } do
    if type(page) ~= "table" or type(page[name]) ~= "string" then
      return moonport.response { status = 422, json = { error = name .. " is missing" } }
    end
  end
  local selected = page.selection ~= ""
  local total, counts = count(selected and page.selection or page.text)
  local times = remember(page.address)
  return {
    title = page.title,
    about = selected and "What you selected" or "The whole page",
    words = total,
    minutes = math.ceil(total / WORDS_A_MINUTE),
    times = times,
    frequent = frequent(counts),
  }
end

--- The token of the last run, so that the extension is paired once and for all.
local function saved_token()
  local file = io.open(token_file)
  local token = file and file:read()
  if file then
    file:close()
  end
  return token
end

local function save_token(token)
  local quoted = "'" .. token_file:gsub("'", [['\'']]) .. "'"
  local file = assert(io.popen("umask 077; cat >" .. quoted, "w")) -- for this user's eyes only
  file:write(token, "\n")
  file:close()
  assert(saved_token() == token, "cannot write " .. token_file)
end

local function serve(options)
  options.origins = { ORIGIN }
  local server = moonport.http(options)
  server:post("/page", read_page, { content = "json" })
  local url, message = server:start()
  if not url then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  print("listens on " .. url)
  return server
end

local token = saved_token()
local server = serve { address = address, token = token or true }
if not token then
  save_token(server.token)
end
if socket then
  -- For native messaging. Only this user can open the socket, so it needs no token.
  serve { address = "unix:" .. socket, token = false }
end
print("token, to paste into the extension's settings once: " .. server.token)
io.stdout:flush() -- at once, even where the output is not a terminal
moonport.run()
