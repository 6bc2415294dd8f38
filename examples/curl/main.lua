-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A download by libcurl on a helper thread: its data and its progress come to Lua by callbacks.
--   main.lua URL FILE [LIMIT]      more than LIMIT bytes are not taken
local ffi = require("ffi")
local moonport = require("moonport")

-- From curl/curl.h.
ffi.cdef([[
int curl_global_init(long flags);
void *curl_easy_init(void);
int curl_easy_setopt(void *curl, int option, ...);
int curl_easy_perform(void *curl);
void curl_easy_cleanup(void *curl);
const char *curl_easy_strerror(int code);
]])
local GLOBAL_ALL = 3
local URL, WRITEFUNCTION, XFERINFOFUNCTION, NOPROGRESS = 10002, 20011, 20219, 43
local FAILONERROR, NOSIGNAL = 45, 99

local url, path, limit = ...
if not path then
  io.stderr:write("main.lua URL FILE [LIMIT]\n")
  os.exit(2)
end
limit = tonumber(limit) or math.huge
local file = assert(io.open(path, "wb"))
local C = ffi.load("libcurl.so.4")

-- Returning: how many bytes were taken; anything but their number ends the download. The second parameter is called size
-- but is always 1: the length is the third, and @len says so.
local received, pieces = 0, 0
local write = moonport.callback(
  "size_t (*)(const char *data @len(count), size_t size, size_t count, void *user)",
  function(data)
    received, pieces = received + #data, pieces + 1
    return file:write(data) and #data or 0
  end,
  { default = 0 }
)

-- Returning: 0 goes on, anything else ends the download. total is 0 until it is known.
local shown = 0
local progress = moonport.callback(
  "int (*)(void *user, int64_t total, int64_t now, int64_t upload_total, int64_t upload_now)",
  function(_, total, now)
    local percent = total > 0 and math.floor(100 * now / total) or 0
    if percent >= shown + 25 then
      shown = percent - percent % 25
      print(shown .. " %")
    end
    return now > limit and 1 or 0
  end,
  { default = 1 }
)

assert(C.curl_global_init(GLOBAL_ALL) == 0)
local curl = C.curl_easy_init()
assert(curl ~= nil, "libcurl has no memory")
-- setopt is variadic: nothing tells LuaJIT that a number is meant to be a long, so it is said here.
local function set(option, value)
  if type(value) == "number" then
    value = ffi.cast("long", value)
  end
  local code = C.curl_easy_setopt(curl, option, value)
  assert(code == 0, ffi.string(C.curl_easy_strerror(code)))
end
set(URL, url)
set(WRITEFUNCTION, write.pointer)
set(XFERINFOFUNCTION, progress.pointer)
set(NOPROGRESS, 0)
set(NOSIGNAL, 1) -- no signals: the transfer is not on the main thread
set(FAILONERROR, 1) -- 404 and the like are errors

-- The transfer runs on a helper thread; this one runs the two handlers until it is over.
local code = moonport.blocking(C.curl_easy_perform, curl)
C.curl_easy_cleanup(curl)
write:close()
progress:close()
file:close()

if code ~= 0 then
  os.remove(path)
  print("failed: " .. ffi.string(C.curl_easy_strerror(code)))
  os.exit(1)
end
print(("%d bytes in %d pieces"):format(received, pieces))
