-- SPDX-License-Identifier: MIT OR Apache-2.0
-- moonport.attach: what it takes and refuses, and attachments to a loop in Lua that the spec runs itself. Loops of real hosts are
-- in tests/hosts.
local spec = ...
local moonport = require("moonport")
local test, equal, match, raises, handler = spec.test, spec.equal, spec.match, spec.raises, spec.handler

-- Runs fn with an adapter for luv that does nothing but note what it gets.
local function with_adapter(fn)
  local name = "moonport.host.luv"
  local before, loaded = package.preload[name], package.loaded[name]
  local host = { attached = 0, detached = 0 }
  package.loaded[name] = nil
  package.preload[name] = function()
    return function(module, object, step)
      host.attached, host.module, host.object, host.step = host.attached + 1, module, object, step
      return function()
        host.detached = host.detached + 1
      end
    end
  end
  local ok, message = pcall(fn, host)
  package.preload[name], package.loaded[name] = before, loaded
  assert(ok, message)
end

local function failure(pattern, name, ...)
  local attachment, message, kind = moonport.attach(...)
  equal(attachment, nil)
  match(message, pattern)
  equal(kind, name)
end

test("wrong arguments are named", function()
  raises('attach_spec.lua:%d+: moonport.attach: unknown host "qt"; known are auto, glib, gtk, wx, windows, cocoa, sdl, love', function()
    moonport.attach("qt")
  end)
  raises("moonport.attach: this table is no host that is known; pass a name: auto, glib", moonport.attach, {})
  raises("moonport.attach: this number is no host", moonport.attach, 1)
  raises("moonport.attach: this function is no host", moonport.attach, print)
  raises('moonport.attach: unknown option "bugdet"', moonport.attach, "glib", { bugdet = 1 })
  raises("moonport.attach: budget: expected a positive number of seconds, got 0", moonport.attach, "glib", { budget = 0 })
  raises('moonport.attach: budget: expected a positive number of seconds, got "4"', moonport.attach, "glib", { budget = "4" })
  raises("moonport.attach: max_messages: expected a positive integer, got 0.5", moonport.attach, "glib", { max_messages = 0.5 })
  raises("moonport.attach: expected a table of options, got number", moonport.attach, "glib", 4)
end)

if spec.is_windows then
  test("any name of a loop that takes this thread's messages will do", function()
    for _, name in ipairs({ "auto", "windows", "wx", "gtk", "sdl" }) do
      local attachment = assert(moonport.attach(name))
      equal(attachment:host(), "windows")
      attachment:detach()
      attachment:detach()
    end
    failure("moonport.attach: glib: only where GDK is loaded", "unsupported", "glib")
    failure("moonport.attach: cocoa is not a host of this system", "unsupported", "cocoa")
  end)
else
  test("where no host is, the error says what to do instead", function()
    failure("neither GLib nor SDL is loaded; watch moonport.descriptor%(%) .* moonport.step%(%) .* name the host: auto, glib, .*neovim", "not_found")
    failure("neither GLib nor SDL is loaded", "not_found", "auto")
    for _, name in ipairs({ "glib", "gtk", "wx" }) do
      failure("moonport.attach: glib: GLib is not loaded in this process", "not_found", name)
    end
    failure("moonport.attach: sdl: SDL 2 is not loaded in this process", "not_found", "sdl")
    failure("moonport.attach: windows is not a host of this system", "unsupported", "windows")
    failure("moonport.attach: cocoa is not a host of this system", "unsupported", "cocoa")
  end)
end

test("without its adapter a host in Lua is not found", function()
  local name, path = "moonport.host.luv", package.path
  local loaded, built_in = package.loaded[name], package.preload[name]
  package.path, package.loaded[name], package.preload[name] = "", nil, nil
  local ok, message = pcall(failure, 'no adapter for "luv": .*moonport.host.luv', "not_found", "luv")
  package.path, package.loaded[name], package.preload[name] = path, loaded, built_in
  assert(ok, message)
end)

test("an adapter gets the module, the object and a step within the attachment's budget", function()
  with_adapter(function(host)
    local uv = { new_poll = print, run = print, now = print }
    local attachment = assert(moonport.attach(uv, { max_messages = 3, budget = 1 }))
    equal(attachment:host(), "luv")
    equal(host.module, moonport)
    equal(host.object, uv)
    local port, sum = moonport.port(), 0
    port:on(handler(function(value)
      sum = sum + value
    end))
    for i = 1, 5 do
      port:send(i)
    end
    equal(host.step(), 3)
    equal(host.step(), 2)
    equal(host.step(), 0)
    equal(sum, 15)
    attachment:detach()
    equal(host.detached, 1)
    attachment:detach()
    equal(host.detached, 1, "detached once")
    port:send(100)
    equal(host.step(), 0)
    equal(sum, 15, "nothing after detach")
    port:close()
  end)
end)

test("by its name alone an adapter gets no object", function()
  with_adapter(function(host)
    local attachment = assert(moonport.attach("luv"))
    equal(host.object, nil)
    attachment:detach()
  end)
end)

test("two attachments deliver each message once, and one goes on without the other", function()
  with_adapter(function(host)
    local one = assert(moonport.attach("luv"))
    local step_one = host.step
    local other = assert(moonport.attach("luv"))
    local step_other = host.step
    local port, got = moonport.port(), {}
    port:on(handler(function(value)
      got[#got + 1] = value
    end))
    port:send("a")
    equal(step_one() + step_other(), 1)
    one:detach()
    port:send("b")
    equal(step_one(), 0)
    equal(step_other(), 1)
    equal(table.concat(got), "ab")
    other:detach()
    port:close()
  end)
end)

test("detached in a handler, the turn ends there, also one around it", function()
  with_adapter(function(host)
    local attachment = assert(moonport.attach("luv"))
    local port, got = moonport.port(), 0
    port:on(handler(function(value)
      got = got + 1
      if value == "nest" then
        host.step()
      elseif value == "detach" then
        attachment:detach()
      end
    end))
    for _, value in ipairs({ "nest", "detach", "late", "late" }) do
      port:send(value)
    end
    host.step()
    equal(got, 2)
    equal(moonport.step(), 2, "what waits is still delivered by others")
    port:close()
  end)
end)

test("a timer that detaches is the last", function()
  with_adapter(function(host)
    local attachment = assert(moonport.attach("luv"))
    local fired = 0
    for _ = 1, 3 do
      moonport.after(0, handler(function()
        fired = fired + 1
        attachment:detach()
      end))
    end
    host.step()
    equal(fired, 1)
    moonport.run()
    equal(fired, 3)
  end)
end)

test("stop in a handler does not silence the loop", function()
  with_adapter(function(host)
    local attachment = assert(moonport.attach("luv"))
    local port, got = moonport.port(), 0
    port:on(handler(function()
      got = got + 1
      moonport.stop()
    end))
    port:send(1)
    port:send(2)
    equal(host.step(), 1)
    equal(host.step(), 1)
    equal(got, 2)
    attachment:detach()
    port:close()
    moonport.run()
  end)
end)

test("an ignored attachment stays until shutdown, which detaches", function()
  with_adapter(function(host)
    moonport.attach("luv")
    collectgarbage()
    collectgarbage()
    equal(host.detached, 0)
    local port, got = moonport.port(), 0
    port:on(handler(function()
      got = got + 1
    end))
    port:send(1)
    equal(host.step(), 1)
    moonport.shutdown(0)
    equal(host.detached, 1)
    equal(host.step(), 0)
    equal(got, 1)
  end)
end)

test("what an adapter says is passed on", function()
  local name = "moonport.host.copas"
  local say
  package.preload[name] = function()
    return function()
      return say()
    end
  end
  say = function()
    return nil, "copas is not there", "not_found"
  end
  failure("copas is not there", "not_found", "copas")
  say = function()
    return 1
  end
  raises("moonport.host.copas: expected a function that detaches, got a number", moonport.attach, "copas")
  say = function()
    error("broken", 0)
  end
  raises("broken", moonport.attach, "copas")
  say = function()
    return function()
      error("cannot", 0)
    end
  end
  raises("cannot", function()
    moonport.attach("copas"):detach()
  end)
  package.preload[name], package.loaded[name] = nil, nil
end)

test("methods say what they are called on", function()
  with_adapter(function()
    local attachment = assert(moonport.attach("luv"))
    raises("attachment:detach: expected a moonport.Attachment, got no value; call it with a colon", attachment.detach)
    raises("attachment:host: expected a moonport.Attachment, got string", attachment.host, "luv")
    attachment:detach()
    equal(attachment:host(), "luv")
  end)
end)
