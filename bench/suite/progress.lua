-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What is being measured, on one line of the terminal; nothing where stderr is none.

local ffi = require("ffi")

ffi.cdef("int isatty(int descriptor);")

local progress = {}
local is_terminal = ffi.C.isatty(2) == 1

-- A function that shows how far a benchmark is.
function progress.of(name)
  return function(text)
    if is_terminal then
      io.stderr:write("\r\27[K", name, ": ", text)
    end
  end
end

function progress.done()
  if is_terminal then
    io.stderr:write("\r\27[K")
  end
end

return progress
