-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The cases of hosts with windows: window.lua(host) runs them, or those with arg[1] in their name. A host's loop runs until
-- stop, and may be run inside itself:
--   host.name, host.run(), host.stop()             what attach gets; the innermost loop
--   host.after(seconds, fn), host.every(...)       the host's own timers; they give a function that cancels
--   host.dialog(), host.close_dialog()             a modal dialog; dialog() returns when it is closed
--   host.menu(fn), host.close_menu(), host.is_menu_open()    the next right click opens a popup menu, and calls fn
--   host.resize(width, height), host.sizes()       how many sizes the window has had
--   host.title                                     the window's
--   host.paints(), host.motions()                  counts
--   host.animate(is_on)                            it paints as often as the screen does
--   host.steps                                     the program calls step: attach's limits of a turn say nothing
--   host.others                                    set while another state wants to be stepped too
--   host.more(kit)                                 cases of its own
-- What a host lacks is nil, and its cases are left out.
local common = dofile((arg[0]:match("^.*/") or "./") .. "common.lua")
local ffi = require("ffi")
local moonport = require("moonport")

ffi.cdef([[
double native_work(void);
void native_pause(double seconds);
int native_flood(uint64_t port, uint32_t threads, double seconds);
uint64_t native_accepted(void);
int native_failure(void);
uint64_t native_find(const char *name);
void *states_open(void);
double states_run(void *state, const char *chunk);
void states_close(void *state);
]])
ffi.C.alarm(180)

local native, check, equal, note = common.native, common.check, common.equal, common.note
local states = ffi.load((os.getenv("MOONPORT_NATIVE"):gsub("native%.so$", "states.so")))
local MANY = 10000
local PATIENCE = 20 -- seconds; whatever takes longer has failed
local BUDGET, FRAME = 0.004, 1 / 60

local host
local failed = 0
local opened = {} -- by the case that runs: ports and attachments
local errors = {} -- that handlers had in it

local function test(name, fn)
  if not name:find(arg[1] or "", 1, true) then
    return
  end
  opened, errors = {}, {}
  local ok, message = xpcall(fn, debug.traceback)
  if ok and #errors > 0 then
    ok, message = false, #errors .. " errors, the first: " .. errors[1]
  end
  for _, object in ipairs(opened) do
    (object.detach or object.close)(object)
  end
  native.native_join()
  failed = failed + (ok and 0 or 1)
  note("%s %s%s", ok and "passed" or "FAILED", name, ok and "" or "\n  " .. message)
  io.stdout:flush()
end

local function take_errors()
  local taken = errors
  errors = {}
  return taken
end

local function expect_match(text, part)
  check(text:find(part, 1, true), "expected %q in %q", part, text)
end

local function raises(part, fn, ...)
  local ok, message = pcall(fn, ...)
  check(not ok, "expected an error with %q", part)
  expect_match(message, part)
end

local function keep(object)
  opened[#opened + 1] = object
  return object
end

-- Runs the host's loop until something calls host.stop.
local function run(what)
  local late = false
  local cancel = host.after(PATIENCE, function()
    late = true
    host.stop()
  end)
  host.run()
  cancel()
  if late then
    error(("%s: not within %d s; %s"):format(what, PATIENCE, table.concat(errors, "; ")), 2)
  end
end

-- Lets the host's loop run for so long.
local function run_for(seconds)
  host.after(seconds, host.stop)
  run("a pause")
end

-- A port that checks where and in which order its numbers come, and calls then(number) for each.
local function numbers(each, options)
  options = options or {}
  options.codec = "json"
  local port = keep(moonport.port(options))
  local got = { port = port, count = 0 }
  local owner = native.native_thread()
  port:on(function(value)
    got.count = got.count + 1
    equal(value, got.count, "the order")
    equal(native.native_thread(), owner, "the thread")
    assert(moonport.is_owner())
    if each then
      each(value, got)
    end
  end)
  return got
end

-- Quits at the last of so many.
local function stop_at(last)
  return function(value)
    if value == last then
      host.stop()
    end
  end
end

local function burst(port, count)
  equal(native.native_burst(port:handle(), count), 0, "a thread")
end

-- What remains is delivered without the host.
local function drain()
  while moonport.step() > 0 do
  end
end

local function attach(options)
  return keep(assert(moonport.attach(host.name, options)))
end

local function delivery()
  test("10,000 messages of another thread, in order, on the owner's thread; none after detach", function()
    local got = numbers(stop_at(MANY))
    local attachment = attach()
    burst(got.port, MANY)
    run("delivery")
    equal(got.count, MANY, "delivered")
    native.native_join()
    attachment:detach()
    attachment:detach()
    local later = numbers()
    burst(later.port, 1000)
    native.native_join()
    run_for(0.2)
    equal(later.count, 0, "delivered after detach")
    drain()
    equal(later.count, 1000, "delivered by step")
  end)

  test("what waited before attach is delivered", function()
    local got = numbers(stop_at(1000))
    burst(got.port, 1000)
    native.native_join()
    attach()
    run("delivery")
    equal(got.count, 1000, "delivered")
  end)

  test("idle: no wake-ups, no CPU", function()
    local got = numbers(stop_at(1))
    attach()
    burst(got.port, 1)
    run("the first message")
    native.native_join()
    run_for(0.5)
    common.idle(host, 2)
  end)

  test("a message to a sleeping host is there soon", function()
    attach()
    -- With a timer of 10 ms it would be 5 ms.
    check(common.latency(host) < 2500, "half of them took longer than 2.5 ms")
  end)

  test("timers of ours run under the host's loop", function()
    attach()
    local fired = 0
    local start = native.native_now()
    local timer
    timer = moonport.every(0.01, function()
      fired = fired + 1
      if fired == 50 then
        timer:cancel()
        host.stop()
      end
    end)
    run("50 timers")
    local took = native.native_now() - start
    check(took >= 0.5 and took < 1.5, "50 periods of 10 ms took %.3f s", took)
  end)
end

local function attachments()
  test("detach inside a handler: nothing more comes", function()
    local attachment
    local got = numbers(function(value)
      if value == 500 then
        attachment:detach()
      end
    end)
    attachment = attach()
    burst(got.port, MANY)
    native.native_join()
    run_for(0.3)
    -- A step of the program's goes on to its end: at most 256 messages.
    check(got.count >= 500 and got.count <= (host.steps and 755 or 500), "%d delivered", got.count)
    drain()
    equal(got.count, MANY, "delivered in all")
  end)

  test("attached twice: each message comes once; one goes on when the other is detached", function()
    local got = numbers(function(value)
      if value % 1000 == 0 then
        host.stop()
      end
    end)
    local first, second = attach(), attach({ budget = 0.001, max_messages = 10 })
    burst(got.port, 1000)
    run("two attachments")
    equal(got.count, 1000, "delivered")
    native.native_join()
    first:detach()
    local other = numbers(stop_at(1000))
    burst(other.port, 1000)
    run("one attachment")
    equal(other.count, 1000, "delivered")
    native.native_join()
    second:detach()
    run_for(0.1)
  end)

  for option, value in pairs(host.steps and {} or { max_messages = 1, budget = 0.0005 }) do
    test(option .. " bounds a turn", function()
      -- Each message takes 1 ms, and between turns the host looks at its timers.
      local got = numbers(function(value)
        native.native_pause(0.001)
        if value == 100 then
          host.stop()
        end
      end)
      burst(got.port, 100)
      native.native_join()
      attach({ [option] = value })
      local looks = 0
      keep({
        close = host.every(0.001, function()
          looks = looks + 1
        end),
      })
      run("100 messages")
      -- With 4 ms a turn they would be 25.
      check(looks >= 50, "%d timers of 1 ms in 100 ms", looks)
    end)
  end

  test("refused: an unknown host, unknown options", function()
    raises("attach", moonport.attach, host.name, { budgte = 1 })
    raises("attach", moonport.attach, "gnome")
  end)
end

local SECOND = [[
  moonport = require("moonport")
  count = 0
  port = moonport.port({ name = "second", codec = "json" })
  port:on(function(value)
    count = count + 1
    assert(value == count)
  end)
  attachment = assert(moonport.attach(%q))
  return 1
]]

local function second_state()
  test("a second state in the process: each gets its own; closed while attached it takes nothing along", function()
    local second = states.states_open()
    equal(states.states_run(second, SECOND:format(host.name)), 1, "the second state")
    local handle = native.native_find("second")
    function host.others()
      states.states_run(second, "moonport.step()")
    end
    local got = numbers()
    attach()
    burst(got.port, MANY)
    equal(native.native_burst(handle, MANY), 0, "a thread")
    local cancel = host.every(0.01, function()
      if got.count == MANY and states.states_run(second, "return count") == MANY then
        host.stop()
      end
    end)
    run("two states")
    cancel()
    native.native_join()
    equal(states.states_run(second, "return port:stats().delivered"), MANY, "delivered in the second state")

    -- A thread that floods it sees it close.
    equal(native.native_flood(handle, 1, 0.3), 0, "a thread")
    native.native_pause(0.02)
    host.others = nil
    states.states_close(second)
    native.native_join()
    equal(native.native_failure(), -2, "what the flood was told (closed)")
    local after = numbers(stop_at(1000))
    burst(after.port, 1000)
    run("the first state")
    equal(after.count, 1000, "delivered")
  end)
end

local function nesting()
  test("handlers open nested loops, 5 deep: order kept, errors heard at every depth", function()
    local depth, deepest = 0, 0
    local got = numbers(function(value)
      if value <= 5 then
        depth = depth + 1
        deepest = math.max(deepest, depth)
        host.run()
        depth = depth - 1
        host.stop()
        error("at depth " .. value)
      elseif value == 1000 then
        host.stop()
      elseif value % 100 == 0 then
        error("value " .. value)
      end
    end)
    attach()
    burst(got.port, 1000)
    run("nested loops")
    equal(got.count, 1000, "delivered")
    equal(deepest, 5, "deepest")
    equal(depth, 0, "open loops")
    local errors = take_errors()
    equal(#errors, 14, "errors")
    for i = 1, 9 do
      expect_match(errors[i], "value " .. i * 100)
    end
    for i = 1, 5 do
      expect_match(errors[9 + i], "at depth " .. 6 - i)
    end
    native.native_join()
    local after = numbers(stop_at(1000))
    burst(after.port, 1000)
    run("after it")
    equal(after.count, 1000, "delivered afterwards")
  end)

  test("loops nested without end stop at 16, and the 16th waits without spinning", function()
    local depth, deepest, unwinding = 0, 0, false
    local cpu, switches
    local got = numbers(function(value)
      if unwinding then
        if value == 40 then
          host.stop()
        end
        return
      end
      depth = depth + 1
      deepest = math.max(deepest, depth)
      if depth == 16 then
        cpu, switches = native.native_cpu(), native.native_switches()
        host.after(1, function()
          cpu, switches = native.native_cpu() - cpu, tonumber(native.native_switches() - switches)
          unwinding = true
          host.stop()
        end)
      end
      host.run()
      depth = depth - 1
      if depth > 0 then
        host.stop()
      end
    end)
    attach()
    burst(got.port, 40)
    run("16 loops")
    equal(deepest, 16, "deepest")
    equal(depth, 0, "open loops")
    equal(got.count, 40, "delivered")
    note("a second at depth 16: %.1f ms of CPU, %d times asleep", cpu * 1e3, switches)
    check(cpu < 0.05, "%.3f s of CPU in a second", cpu)
    check(switches < 50, "%d times asleep in a second", switches)
  end)
end

local function dialogs()
  test("delivery goes on in a modal dialog that the program opened", function()
    local got = numbers(function(value)
      if value == MANY then
        host.close_dialog()
      end
    end)
    attach()
    host.after(0.1, function()
      burst(got.port, MANY)
    end)
    host.dialog()
    equal(got.count, MANY, "delivered")
  end)

  test("and in one that a handler opened", function()
    local closed = 0
    local got = numbers(function(value, got)
      if value == 1 then
        host.dialog()
        closed = got.count
        host.stop()
      elseif value == MANY then
        host.close_dialog()
      end
    end)
    attach()
    burst(got.port, MANY)
    run("a dialog")
    equal(closed, MANY, "delivered in the dialog")
  end)
end

-- From another process, as a user does: what xdotool shall do with the window when it is there.
local function by_hand(actions)
  local find = ("xdotool search --sync --onlyvisible --name '^%s$'"):format(host.title)
  assert(os.execute(find .. " " .. actions .. " &"))
end

local function menus()
  test("delivery goes on while a popup menu is open", function()
    local open = 0
    local got = numbers(function(value)
      if host.is_menu_open() then
        open = open + 1
      end
      if value == MANY then
        host.close_menu()
        host.stop()
      end
    end)
    attach()
    host.menu(function()
      burst(got.port, MANY)
    end)
    by_hand("mousemove --window %1 50 50 click 3")
    run("a menu")
    equal(got.count, MANY, "delivered")
    equal(open, MANY, "delivered while the menu was open")
  end)
end

local function resizing()
  test("delivery goes on in a storm of resizes", function()
    local sizes = host.sizes()
    local last, step = 300, 0
    local count = 0
    local port = keep(moonport.port({ codec = "json" }))
    local slowest, before = 0, 0
    port:on(function(sent)
      sent = tonumber(sent)
      assert(sent > before, "the order")
      before, count = sent, count + 1
      slowest = math.max(slowest, native.native_now() - sent / 1e9)
      if count == last then
        host.stop()
      end
    end)
    attach()
    local cancel = host.every(0.005, function()
      step = step + 1
      host.resize(300 + step * 7 % 200, 250 + step * 11 % 150)
    end)
    equal(native.native_pace(port:handle(), last, 0.003), 0, "a thread")
    run("a storm")
    cancel()
    native.native_join()
    sizes = host.sizes() - sizes
    note("%d sizes, slowest delivery %.1f ms", sizes, slowest * 1e3)
    equal(count, last, "delivered")
    check(sizes >= 10, "the window had %d sizes", sizes)
    host.resize(400, 300)
    run_for(0.2)
  end)
end

-- Moves the mouse inside the window every 10 ms for so long.
local function move_mouse(seconds)
  local moves = {}
  for i = 1, seconds * 100 do
    moves[i] = ("mousemove --window %%1 %d %d sleep 0.01"):format(20 + i * 3 % 150, 20 + i * 5 % 100)
  end
  by_hand(table.concat(moves, " "))
end

local function flood()
  test("a flood beyond 100 %: paints, timers and the mouse go on, nothing is lost", function()
    local FOR = 2
    local seen, delivered = {}, 0
    local port = keep(moonport.port({ codec = "json", capacity = 8192 }))
    port:on(function(value, message)
      seen[message.tag] = (seen[message.tag] or 0) + 1
      equal(value, seen[message.tag], "the order of a thread")
      delivered = delivered + 1
      local done = native.native_now() + 20e-6
      repeat
      until native.native_now() >= done
    end)
    attach()
    host.animate(true)
    -- The owner's thread has no rest in a flood: its work is the time that passes, but for what other processes and the X
    -- server take. Time is told, work is judged.
    local worst, longest, ticks, last, work = 0, 0, 0, native.native_now(), native.native_work()
    local cancel = host.every(0.01, function()
      local now, worked = native.native_now(), native.native_work()
      worst, longest = math.max(worst, worked - work), math.max(longest, now - last)
      ticks = ticks + 1
      last, work = now, worked
    end)
    local accepted, paints, motions = native.native_accepted(), host.paints(), host.motions()
    move_mouse(FOR)
    local start, begun = native.native_now(), native.native_work()
    host.after(FOR, function()
      begun = native.native_work() - begun
      paints, motions = host.paints() - paints, host.motions() - motions
      host.stop()
    end)
    equal(native.native_flood(port:handle(), 2, FOR), 0, "a thread")
    run("the flood")
    local took = native.native_now() - start
    cancel()
    host.animate(false)
    native.native_join()
    accepted = tonumber(native.native_accepted() - accepted)
    cancel = host.every(0.02, function()
      if delivered >= accepted then
        host.stop()
      end
    end)
    run("the rest")
    cancel()
    local rates = { paints / took, motions / took, ticks / took }
    note("%d messages; in a second %.0f paints, %.0f motions, %.0f ticks", accepted, unpack(rates))
    note("the owner's thread worked for %.2f of %.2f s", begun, took)
    local between = "between two ticks of 10 ms: at most %.1f ms of work, %.1f ms of time"
    note(between, worst * 1e3, longest * 1e3)
    equal(native.native_failure(), 0, "a sender's failure")
    equal(delivered, accepted, "delivered")
    equal(delivered, (seen[1] or 0) + (seen[2] or 0), "delivered of each thread")
    equal(port:stats().high_water, 8192, "high water: the senders were faster")
    check(paints / begun >= 50, "%.0f paints in a second of work", paints / begun)
    check(motions / begun >= 25, "%.0f motions in a second of work", motions / begun)
    check(worst < 0.01 + BUDGET + FRAME, "a timer of 10 ms came after %.1f ms of work", worst * 1e3)
    check(longest < 0.25, "a timer of 10 ms came after %.1f ms", longest * 1e3)
  end)
end

-- keeping: what still goes on when the process ends.
local function ending()
  test("the process may end while attached, under fire", function()
    local port = keep(moonport.port({ codec = "json" }))
    port:on(function() end)
    attach()
    equal(native.native_flood(port:handle(), 2, 30), 0, "a thread")
    run_for(0.1)
  end)
end

return function(driver)
  host = driver
  moonport.on_error(function(message)
    errors[#errors + 1] = message
  end)
  delivery()
  attachments()
  second_state()
  nesting()
  if host.dialog then
    dialogs()
  end
  if host.menu then
    menus()
  end
  if host.more then
    host.more({
      test = test,
      numbers = numbers,
      keep = keep,
      attach = attach,
      burst = burst,
      run = run,
      run_for = run_for,
      equal = equal,
      raises = raises,
      sleep = moonport.sleep,
      take_errors = take_errors,
    })
  end
  resizing()
  flood()
  ending()
  if failed > 0 then
    os.exit(1)
  end
  common.passed()
end
