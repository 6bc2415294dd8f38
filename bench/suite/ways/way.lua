-- SPDX-License-Identifier: MIT OR Apache-2.0
-- One round of one way, in a process of its own: prints a line of JSON, { absent = the reason } where there is no such way
-- here.
--   way.lua LIBRARY WAY MESSAGES      the library made from ways.c; those made from ring.c and lock.c lie beside it

local ffi = require("ffi")
local moonport = require("moonport")
local machine = require("machine")
local rounds = require("rounds")

local library, name, messages = ...
local folder, parts = arg[0]:match("^(.*/)"), library:match("^(.*/)")
local TEXT = "void (*)(const char *data, size_t size)"
local TICK = "int (*)(void *)"
local WORK = 4 -- ms of every 10: what drawing a frame takes

local function declare(file)
  local header = assert(io.open(folder .. file))
  ffi.cdef(header:read("*a"))
  header:close()
end

declare("ways.h")
local C = ffi.load(library)

-- Each way opens with the handler and gives what the threads call, how many calls a flood has for one thread, and what the
-- loop's timer does.
local ways = {}

function ways.queue(handler)
  assert(moonport.attach("glib"))
  return moonport.callback(TEXT, handler, { ref = false }).pointer, 1000000
end

function ways.lock(handler)
  assert(moonport.attach("glib"))
  local fine, callback, message = pcall(moonport.callback, TEXT, handler, { mode = "locked", ref = false })
  if not fine or not callback then
    return nil, fine and message or callback
  end
  return callback.pointer, 200000
end

ways["lock by hand"] = function(handler)
  package.cpath = parts .. "?.so;" .. package.cpath
  return ffi.cast("ways_call", require("lock").open(handler)), 1000000
end

ways["polling step"] = function(handler)
  return moonport.callback(TEXT, handler, { ref = false }).pointer, 12800, moonport.step
end

ways["polling a ring"] = function(handler)
  declare("ring.h")
  local ring = ffi.load(parts .. "ring.so")
  local text = ffi.new("char[64]")
  return ffi.cast("ways_call", ring.ring_put),
    1000000,
    function()
      local size = ring.ring_take(text)
      while size >= 0 do
        handler(ffi.string(text, size))
        size = ring.ring_take(text)
      end
    end
end

local handle
local call, count, tick = ways[name](function(text)
  return handle(text)
end)
if not call then
  print(assert(moonport.json.encode({ absent = count })))
  return
end
local busy = false
local on_tick = ffi.cast(TICK, function()
  if tick then
    tick()
  end
  if busy then
    C.ways_work(WORK)
  end
  return 1
end)

local function loop()
  moonport.call(C.ways_run, (tick or busy) and on_tick or nil)
end

-- Calls now and then; the fields that it adds to the sample begin with prefix.
local function delay(sample, prefix, silent)
  function handle()
    if C.ways_heard() == 0 then
      C.ways_quit()
    end
  end
  assert(C.ways_delay(call, tonumber(messages), silent) == 0, "no thread")
  loop()
  assert(C.ways_delayed() == 0, "not every call came exactly once")
  for what, took in pairs({ took = C.ways_took, held = C.ways_held }) do
    sample[prefix .. what], sample[prefix .. what .. "_high"] = took(500), took(990)
  end
end

-- The program does nothing but this: delays, and then the silence.
local function idle(sample)
  delay(sample, "idle_", 1)
  sample.curve = {}
  for place = 0, 1000, 10 do
    sample.curve[#sample.curve + 1] = C.ways_took(place)
  end
  sample.cpu, sample.sleeps = C.ways_idle_cpu(), C.ways_idle_sleeps()
end

local function flood(total, threads)
  local share = C.ways_share()
  local heard, mark = 0, share
  function handle()
    heard = heard + 1
    if heard == mark then
      mark = mark + share
      C.ways_handled(heard)
    end
    if heard == total then
      C.ways_quit()
    end
  end
  local spent = machine.measure(function()
    assert(C.ways_flood(call, total, threads) == 0, "no thread")
    loop()
  end)
  assert(C.ways_join() == 0 and heard == total, "not every call came exactly once")
  return rounds.sample(spent, total)
end

local sample = {}
idle(sample)
busy = true
delay(sample, "busy_", 0)
busy = false
for _, threads in ipairs({ 1, 4 }) do
  flood(count / 5, threads)
  local flooded = flood(count, threads)
  sample["rate" .. threads], sample["process" .. threads] = flooded.rate, flooded.process
end
io.stdout:write("\n", assert(moonport.json.encode(sample)), "\n")
io.stdout:flush()
