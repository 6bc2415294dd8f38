-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Runs the specs named in arg (or all) on the Lua that runs this file. MOONPORT_SPEC=hostile collects all garbage in every
-- handler. Ends with "N passed, N failed".

local folder = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/"
local hostile = os.getenv("MOONPORT_SPEC") == "hostile"
local spec = { passed = 0, failed = 0 }

-- Integers beyond 2^53: "unsigned" under LuaJIT, which has both kinds, "signed" from 5.3 on, not exact elsewhere.
spec.exact = rawget(_G, "jit") and "unsigned" or math.type and "signed"

-- Wraps a handler: counted, and under the hostile collector with a full collection around it.
function spec.handler(fn)
  return function(...)
    if hostile then
      collectgarbage()
    end
    local result = fn(...)
    if hostile then
      collectgarbage()
    end
    return result
  end
end

function spec.equal(got, wanted, what)
  if got ~= wanted then
    error(("%s: expected %s, got %s"):format(what or "value", tostring(wanted), tostring(got)), 2)
  end
end

function spec.match(text, pattern)
  if type(text) ~= "string" or not text:find(pattern) then
    error(("expected a string like %q, got %s"):format(pattern, tostring(text)), 2)
  end
end

-- fn must raise a message like pattern.
function spec.raises(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  if ok then
    error(("expected an error like %q"):format(pattern), 2)
  end
  spec.match(message, pattern)
end

-- C's functions, under LuaJIT. On Windows a library stands in for what a POSIX system has: tests/windows/posix.c.
spec.is_windows = package.config:sub(1, 1) == "\\"
if rawget(_G, "jit") then
  local ffi = require("ffi")
  spec.C = ffi.C
  if spec.is_windows then
    local library = ffi.load(os.getenv("MOONPORT_SPEC_LIBRARY") or "posix")
    local function posix(name)
      return library[name]
    end
    spec.C = setmetatable({}, {
      __index = function(all, name)
        local found, value = pcall(posix, name)
        rawset(all, name, found and value or ffi.C[name])
        return rawget(all, name)
      end,
    })
  end
end

-- Seconds of a clock that only goes forward; plain Lua has none.
if rawget(_G, "jit") then
  local ffi, C = require("ffi"), spec.C
  ffi.cdef([[
    struct spec_time { long seconds, nanoseconds; };
    int clock_gettime(int clock, struct spec_time *time);
  ]])
  local time = ffi.new("struct spec_time")
  function spec.clock()
    C.clock_gettime(1, time)
    return tonumber(time.seconds) + tonumber(time.nanoseconds) * 1e-9
  end
end

-- Does a descriptor become readable within so many milliseconds? LuaJIT only.
function spec.readable(descriptor, milliseconds)
  local ffi = require("ffi")
  if not spec.entry then
    ffi.cdef([[
      struct spec_pollfd { int fd; short events; short revents; };
      int poll(struct spec_pollfd *entries, unsigned long count, int milliseconds);
    ]])
    spec.entry = ffi.new("struct spec_pollfd[1]")
  end
  spec.entry[0].fd, spec.entry[0].events = descriptor, 1
  return spec.C.poll(spec.entry, 1, milliseconds or 0) == 1
end

-- A test: its name, and a function. What it leaves open is closed after it.
function spec.test(name, fn)
  local moonport = require("moonport")
  local ok, message = xpcall(fn, debug.traceback)
  moonport.on_error(nil)
  if ok then
    local open = moonport.report()
    if #open > 0 then
      ok, message = false, ("left open: a %s made at %s"):format(open[1].kind, open[1].created)
      moonport.shutdown(0)
    end
  end
  if ok then
    spec.passed = spec.passed + 1
  else
    spec.failed = spec.failed + 1
    print(("FAILED %s\n%s"):format(name, message))
  end
end

-- GLib and SDL as Unix libraries, and fork, are for POSIX systems: "native" does not run on Windows.
local files = #arg > 0 and arg or { "port", "policy", "lane", "stream", "callback", "blocking", "json", "msgpack", "loop", "attach", "flavour", "document", not spec.is_windows and "native" or nil }
for _, file in ipairs(files) do
  assert(loadfile(folder .. file .. "_spec.lua"))(spec)
end
print(("%d passed, %d failed"):format(spec.passed, spec.failed))
os.exit(spec.failed == 0 and spec.passed > 0 and 0 or 1)
