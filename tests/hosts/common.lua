-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What the tests of hosts share: the native threads that send, checks, and the scenario that every host must pass.
--   local common = dofile(folder .. "/common.lua")
-- MOONPORT_NATIVE names the library made from native.c. A test has passed when it ends with 0 and its last line is "ok".
local ffi = require("ffi")
local moonport = require("moonport")

ffi.cdef([[
void native_init(const void *api);
int native_burst(uint64_t port, uint32_t count);
int native_pace(uint64_t port, uint32_t count, double seconds);
void native_join(void);
uint64_t native_thread(void);
uint64_t native_switches(void);
double native_now(void);
double native_cpu(void);
unsigned int alarm(unsigned int seconds);
int getpid(void);
]])

local path = assert(os.getenv("MOONPORT_NATIVE"), "MOONPORT_NATIVE: the library of native.c")
local native = ffi.load(path)
native.native_init(moonport.api)
-- Ends a test that hangs, without waking its loop.
ffi.C.alarm(60)

local common = { native = native, moonport = moonport }

local checks = 0

---An error unless it holds; tells what was seen.
function common.check(holds, what, ...)
  checks = checks + 1
  if not holds then
    error("check failed: " .. what:format(...), 2)
  end
end

function common.equal(got, wanted, what)
  checks = checks + 1
  if got ~= wanted then
    error(("%s: expected %s, got %s"):format(what, tostring(wanted), tostring(got)), 2)
  end
end

function common.note(text, ...)
  io.stdout:write(text:format(...), "\n")
  io.stdout:flush()
end

function common.passed()
  common.note("%d checks", checks)
  common.note("ok")
  io.stdout:flush()
end

local check, equal = common.check, common.equal

---A port that records what a handler got, and stops the host's loop when as much is there as was awaited.
local function recorder(host, options)
  local this = { got = {}, awaited = 0, elsewhere = 0 }
  local owner = native.native_thread()
  this.port = moonport.port(options or { codec = "json" })
  this.port:on(function(value)
    this.got[#this.got + 1] = value
    if native.native_thread() ~= owner then
      this.elsewhere = this.elsewhere + 1
    end
    if this.each then
      this.each(value)
    end
    if #this.got == this.awaited then
      host.stop()
    end
  end)

  ---A native thread sends so many; the host's loop runs until they are there.
  function this:burst(count, what)
    self.got, self.awaited = {}, count
    equal(native.native_burst(self.port:handle(), count), 0, "native_burst")
    host.run()
    native.native_join()
    self:expect(count, what)
  end

  ---Exactly these are there, in order.
  function this:expect(count, what)
    host.pass(0.02)
    equal(#self.got, count, what .. ": delivered")
    for i = 1, count do
      if self.got[i] ~= i then
        equal(self.got[i], i, what .. ": in order")
      end
    end
    equal(self.elsewhere, 0, what .. ": on another thread")
  end
  return this
end

common.recorder = recorder

---Microseconds from a thread's send to the handler, the host's loop being asleep: median and worst of a hundred.
function common.latency(host)
  local times, count = {}, 100
  local port = moonport.port({ codec = "json" })
  port:on(function(sent)
    times[#times + 1] = native.native_now() * 1e6 - tonumber(sent) / 1e3
    if #times == count then
      host.stop()
    end
  end)
  equal(native.native_pace(port:handle(), count, 0.003), 0, "native_pace")
  host.run()
  native.native_join()
  port:close()
  table.sort(times)
  common.note(
    "%s: wake-up %.0f us median, %.0f us worst",
    host.name,
    times[count / 2],
    times[count]
  )
  return times[count / 2]
end

-- Looks from outside how often this process has gone to sleep, all threads together, and so many seconds later again; then
-- posts both, each as lines that end with an empty one.
local LOOKS = [[(look() { cat /proc/%d/task/*/status | grep ^voluntary; echo; }
  sleep 0.5; (look; sleep %g; look) | curl --silent --max-time 20 --data-binary @- %s) >/dev/null 2>&1 &]]

local function sum(lines)
  local total = 0
  for count in lines:gmatch("%d+") do
    total = total + count
  end
  return total
end

---Nothing comes: nothing wakes up, in no thread, while a port, a server and a timer are open.
function common.idle(host, seconds)
  local looks
  local server = moonport.http({ token = false })
  server:post("/", function(request)
    looks = request.body
    host.stop()
  end, { content = "raw" })
  local timer = moonport.after(600, function() end)
  os.execute(LOOKS:format(ffi.C.getpid(), seconds, assert(server:start())))
  local cpu = native.native_cpu()
  host.run()
  cpu = native.native_cpu() - cpu
  local first, second = looks:match("^(.-)\n\n(.-)\n\n$")
  local sleeps = sum(second) - sum(first)
  local text = "%s: %d wake-ups in %g idle seconds, and %.2f ms of CPU with what ended them"
  common.note(text, host.name, sleeps, seconds, cpu * 1e3)
  check(sum(first) > 0, "nothing was counted")
  equal(sleeps, 0, "wake-ups while idle")
  check(cpu < 0.002 * seconds, "%.4f s of CPU in %g idle seconds", cpu, seconds)
  server:stop()
  timer:cancel()
end

---The host's own timers go on while handlers take all the time that a turn gives them.
local function flood(host, port)
  local ticks, slow = 0, 100e-6
  local cancel = host.every(0.005, function()
    ticks = ticks + 1
  end)
  port.each = function()
    local begun = native.native_now()
    while native.native_now() - begun < slow do
    end
  end
  port:burst(5000, "a flood")
  port.each = nil
  cancel()
  common.note("%s: %d ticks of 5 ms during a flood of %g s", host.name, ticks, 5000 * slow)
  check(ticks >= 20, "%d ticks of the host's timer during a flood", ticks)
end

---Handlers that wait in the host's own loop, five inside each other.
local function nested(host)
  local port, depth, deepest = common.recorder(host), 0, 0
  port.each = function(value)
    depth = depth + 1
    deepest = math.max(deepest, depth)
    host.nest(function()
      return value == 5 or port.got[value + 1] ~= nil
    end)
    depth = depth - 1
    if depth == 0 then
      host.stop()
    end
  end
  equal(native.native_burst(port.port:handle(), 5), 0, "native_burst")
  host.run()
  native.native_join()
  port:expect(5, "with handlers that wait in nested loops")
  equal(deepest, 5, "handlers inside each other")
  port.port:close()
end

---The host: name; attach() an attachment; run() its loop until stop() is called in it; pass(seconds) its loop for so long, by
---means of its own. Where it has timers, every(seconds, fn) gives a function that cancels; where handlers may run the loop,
---nest(condition) runs it until the condition holds.
function common.scenario(host)
  local errors = {}
  moonport.on_error(function(message, info)
    errors[#errors + 1] = info.kind .. " " .. message
  end)
  local port = recorder(host)
  local attachment = assert(host.attach())
  equal(attachment:host(), host.name, "Attachment:host()")

  port:burst(10000, "a burst")
  equal(port.port:stats().waiting, 0, "waiting")

  local begun = native.native_now()
  moonport.after(0.05, host.stop)
  host.run()
  local took = native.native_now() - begun
  check(took >= 0.05 and took < 5, "a timer of 50 ms took %.3f s", took)

  local failing = recorder(host)
  failing.each = function(value)
    if value == 2 then
      error("on purpose")
    end
  end
  failing:burst(5, "with an error in one handler")
  equal(#errors, 1, "on_error was called")
  check(errors[1]:find("^handler .*on purpose"), "on_error: %s", errors[1])
  failing.port:close()

  local slept
  local waiting = moonport.port({ codec = "json" })
  waiting:on(function()
    moonport.sleep(0.03)
    slept = true
    host.stop()
  end)
  equal(native.native_burst(waiting:handle(), 1), 0, "native_burst")
  host.run()
  native.native_join()
  equal(slept, true, "a handler that sleeps goes on")
  waiting:close()

  common.latency(host)
  common.idle(host, 2)
  if host.every then
    flood(host, port)
  end

  if host.nest then
    nested(host)
  end

  -- Detached: what is sent waits.
  attachment:detach()
  attachment:detach()
  port.got = {}
  equal(native.native_burst(port.port:handle(), 100), 0, "native_burst")
  native.native_join()
  host.pass(0.1)
  equal(#port.got, 0, "delivered after detach")
  equal(port.port:stats().waiting, 100, "waiting after detach")
  port.awaited = 100
  attachment = assert(host.attach())
  host.run()
  port:expect(100, "attached again")

  -- Twice: each message once, and the one goes on without the other.
  local second = assert(host.attach())
  port:burst(2000, "attached twice")
  attachment:detach()
  port:burst(2000, "one of two detached")
  attachment = second

  -- Closed by its handler: this one message, and others go on.
  local closing = recorder(host)
  closing.each = function()
    closing.port:close()
    host.stop()
  end
  equal(native.native_burst(closing.port:handle(), 10), 0, "native_burst")
  host.run()
  native.native_join()
  host.pass(0.02)
  equal(#closing.got, 1, "delivered by a port that closes")
  port:burst(10, "after a port was closed")

  -- Detached by a handler.
  port.each = function(value)
    if value == 5 then
      attachment:detach()
      host.stop()
    end
  end
  port.got, port.awaited = {}, 0
  equal(native.native_burst(port.port:handle(), 5), 0, "native_burst")
  host.run()
  native.native_join()
  port.each = nil
  equal(#port.got, 5, "delivered when a handler detaches")
  equal(native.native_burst(port.port:handle(), 100), 0, "native_burst")
  native.native_join()
  host.pass(0.1)
  equal(#port.got, 5, "delivered after a handler has detached")
  attachment = assert(host.attach())
  port.got, port.awaited = {}, 100
  host.run()
  port:expect(100, "attached after that")

  equal(#errors, 1, "errors in all")
  moonport.on_error(nil)
  port.port:close()
  attachment:detach()
end

return common
