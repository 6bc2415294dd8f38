-- SPDX-License-Identifier: MIT OR Apache-2.0
-- GLib's loop through LuaJIT's FFI, in loops that LuaJIT compiles: Lua cannot be entered there. Nothing crashes, messages
-- wait for the next safe moment, and a report says what to do.
--   luajit tests/hosts/glib.lua [late]
-- late: the compiler is off when the host is attached, and on afterwards.
local common = dofile((arg[0]:match("^.*/") or "./") .. "common.lua")
local ffi = require("ffi")
local moonport = require("moonport")

ffi.cdef([[
int g_main_context_iteration(void *context, int may_block);
unsigned int g_timeout_add(unsigned int milliseconds, int (*fn)(void *), void *data);
int g_source_remove(unsigned int tag);
int native_tick(void *unused);
uint64_t native_ticks(void);
]])

local native, check, equal, note = common.native, common.check, common.equal, common.note
local glib = ffi.load("libglib-2.0.so.0", true)
local MANY = 10000

local reports = {}
moonport.on_error(function(message, info)
  reports[#reports + 1] = info.kind .. ": " .. message
end)

if arg[1] == "late" then
  jit.off()
end
local attachment = assert(moonport.attach("auto"))
jit.on()
equal(attachment:host(), "glib", "what auto has taken")

-- GLib calls a C function every 10 ms, so that a loop that sleeps comes back.
local tag = glib.g_timeout_add(10, native.native_tick, nil)
local null = ffi.cast("void *", nil)

-- Compiled, once it is hot: so many rounds, and as long as it takes for so many ticks.
local function spin(may_block, ticks)
  local last = native.native_ticks() + ticks
  local rounds = 0
  while native.native_ticks() < last do
    glib.g_main_context_iteration(null, may_block)
    rounds = rounds + 1
  end
  return rounds
end

-- The same where nothing is compiled.
local function interpret()
  for _ = 1, 10 do
    glib.g_main_context_iteration(null, 0)
  end
end
jit.off(interpret)

local function open()
  local port = moonport.port({ codec = "json" })
  local got = { port = port, count = 0 }
  port:on(function(value)
    got.count = got.count + 1
    equal(value, got.count, "the order")
  end)
  return got
end

local function compiled(name, may_block, wrap)
  local got = open()
  -- The loop is hot and compiled before anything is sent.
  wrap(spin, may_block, may_block == 1 and 100 or 3)
  local before = got.count
  equal(native.native_burst(got.port:handle(), MANY), 0, "a thread")
  local cpu, from = native.native_cpu(), native.native_now()
  wrap(spin, may_block, 50)
  cpu, from = native.native_cpu() - cpu, native.native_now() - from
  note("%s: %d of %d delivered in it, %.0f ms CPU in %.0f ms", name, got.count, MANY, cpu * 1e3, from * 1e3)
  check(got.count < MANY, "%s: all were delivered: the loop was not compiled", name)
  if may_block == 1 then
    check(cpu < 0.5 * from, "%s: it spins: %.2f s CPU in %.2f s", name, cpu, from)
  end
  native.native_join()
  local deadline = native.native_now() + 10
  while got.count < MANY and native.native_now() < deadline do
    interpret()
  end
  equal(got.count, MANY, name .. ": delivered at the next safe moment")
  equal(before, 0, name .. ": before anything was sent")
  got.port:close()
end

local function plainly(fn, ...)
  fn(...)
end

local function in_a_coroutine(fn, ...)
  local ok, message = coroutine.resume(coroutine.create(fn), ...)
  assert(ok, message)
end

for _, may_block in ipairs({ 0, 1 }) do
  local kind = may_block == 1 and "sleeping" or "busy"
  compiled("a " .. kind .. " loop", may_block, plainly)
  compiled("a " .. kind .. " loop in a coroutine", may_block, in_a_coroutine)
end
check(#reports > 0, "nothing was reported")
note("%d reports, the first: %s", #reports, reports[1])
for _, report in ipairs(reports) do
  check(report:find("moonport.call", 1, true), "a report that does not name moonport.call: %s", report)
  check(report:find("^unsafe: "), "a report of another kind: %s", report)
end
check(#reports <= 8, "%d reports for 4 loops", #reports)

-- What the report says: inside moonport.call they are delivered in the loop.
reports = {}
for _, wrap in ipairs({ plainly, in_a_coroutine }) do
  local got = open()
  equal(native.native_burst(got.port:handle(), MANY), 0, "a thread")
  local rounds = 0
  wrap(function()
    local deadline = native.native_now() + 10
    while got.count < MANY and native.native_now() < deadline do
      moonport.call(glib.g_main_context_iteration, null, 1)
      rounds = rounds + 1
    end
  end)
  equal(got.count, MANY, "delivered inside moonport.call")
  native.native_join()
  got.port:close()
end
equal(#reports, 0, "reports")
glib.g_source_remove(tag)
attachment:detach()
common.passed()
