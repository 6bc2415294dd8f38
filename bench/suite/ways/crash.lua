-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What ends badly: a C thread calls a function pointer that ffi.cast made, while Lua runs. arg: the library of callers, its
-- header.
local library, header = ...
local ffi = require("ffi")
local file = assert(io.open(header))
ffi.cdef(file:read("*a"))
file:close()
local caller = ffi.load(library)

local SECONDS = 3

local count = 0
local callback = ffi.cast("caller_text", function(data, size)
  count = count + #ffi.string(data, size)
end)
caller.caller_flood(callback, 1e9, 1)
-- What Lua does meanwhile: some work, some garbage.
local ended = os.time() + SECONDS
local kept = {}
while os.time() < ended do
  for i = 1, 1000 do
    kept[i % 100] = { tostring(i) }
  end
end
print("it lives on")
os.exit(true)
