-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The way that is none: LuaJIT's own callback, called by other threads. IT CRASHES; it is here to be counted.
--   crash.lua LIBRARY SECONDS      the library made from ways.c; it prints "begun", and "alive" after so long

local ffi = require("ffi")

local library, seconds = ...
local header = assert(io.open(arg[0]:match("^(.*/)") .. "ways.h"))
ffi.cdef(header:read("*a"))
header:close()
ffi.cdef("int poll(void *descriptors, unsigned long count, int milliseconds);")
local C = ffi.load(library)

local texts = {}
local call = ffi.cast("ways_call", function(data, size)
  texts[#texts % 100 + 1] = ffi.string(data, size)
end)

-- What a program with a window does: Lua makes tables and strings in every frame, and then it waits a little.
io.stdout:setvbuf("no")
print("begun")
assert(C.ways_torment(call, 4) == 0)
local over = os.time() + seconds
repeat
  local rows = {}
  for i = 1, 200 do
    rows[i] = { text = "row " .. i }
  end
  ffi.C.poll(nil, 0, 1)
until os.time() >= over
print("alive")
os.exit(0)
