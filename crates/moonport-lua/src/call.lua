-- SPDX-License-Identifier: MIT OR Apache-2.0
-- moonport.call(fn, ...): runs a function with nothing compiled, so that native code inside it may call back. While one runs,
-- LuaJIT's compiler is off, and what it has compiled before is forgotten.
local jit = type(jit) == "table" and require("jit")
local error, pcall, type = error, pcall, type

local function check(fn)
  -- C functions of the FFI library are cdata.
  if type(fn) ~= "function" and type(fn) ~= "cdata" then
    error("moonport.call: expected a function, got " .. type(fn), 3)
  end
end

if not jit then
  return function(fn, ...)
    check(fn)
    return fn(...)
  end
end

local depth = 0
local function finish(was_on, fine, ...)
  depth = depth - 1
  if depth == 0 and was_on then
    jit.on()
  end
  if fine then
    return ...
  end
  error((...), 0)
end

local function call(fn, ...)
  check(fn)
  local was_on = depth == 0 and jit.status()
  if was_on then
    jit.off()
    jit.flush()
  end
  depth = depth + 1
  return finish(was_on, pcall(fn, ...))
end

jit.off(call)
jit.off(finish)
return call
