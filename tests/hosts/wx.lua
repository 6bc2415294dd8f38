-- SPDX-License-Identifier: MIT OR Apache-2.0
-- wxWidgets itself: wx.cpp opens the window and runs this script on its main thread.
local folder = arg[0]:match("^.*/") or "./"
local host = rawget(_G, "host")
host.name, host.title = "wx", "Moonport in wxWidgets"

-- By another process, as a user does.
local function press(key)
  assert(os.execute("xdotool key " .. key .. " &"))
end

function host.close_menu()
  press("Escape")
end

-- The toolkit's own message box, opened by a handler and closed by a key.
local function message_box(kit)
  kit.test("delivery goes on in a message box", function()
    local closed
    local got = kit.numbers(function(value, got)
      if value == 1 then
        host.message_box()
        closed = got.count
        host.stop()
      elseif value == 1000 then
        press("Return")
      end
    end)
    kit.attach()
    host.after(0.3, function()
      kit.burst(got.port, 1000)
    end)
    kit.run("a message box")
    kit.equal(closed, 1000, "delivered in the box")
  end)
end

-- What moonport.wx uses of wxLua, in the same shape, with wxWidgets' timers behind it.
local function stand_in()
  local connected, wx = {}, { wxEVT_TIMER = 1, running = 0 }
  local app = {}
  function app:Connect(id, event, fn)
    assert(self == app and event == wx.wxEVT_TIMER)
    connected[id] = fn
  end
  function wx.wxGetApp()
    return app
  end
  function wx.wxTimer(owner, id)
    assert(owner == app)
    local cancel
    return {
      Start = function(_, milliseconds)
        wx.running = wx.running + 1
        cancel = host.every(milliseconds / 1000, connected[id])
      end,
      Stop = function()
        wx.running = wx.running - 1
        cancel()
      end,
    }
  end
  return wx
end

local function convenience(kit)
  local moonport = require("moonport")
  local attach = require("moonport.wx").attach

  local function deliver(attachment, name)
    kit.keep(attachment)
    kit.equal(attachment:host(), name, "what it took")
    local got = kit.numbers(function(value)
      if value == 10000 then
        host.stop()
      end
    end)
    kit.burst(got.port, 10000)
    kit.run("delivery")
    attachment:detach()
    attachment:detach()
    local later = kit.numbers()
    kit.burst(later.port, 100)
    kit.run_for(0.1)
    kit.equal(later.count, 0, "delivered after detach")
  end

  kit.test("moonport.wx takes the native loop", function()
    deliver(assert(attach(nil, { budget = 0.002 })), "wx")
    kit.raises("budgte", attach, nil, { budgte = 1 })
  end)

  kit.test("moonport.wx falls back to a wxTimer, and says so", function()
    local native, wx = moonport.attach, stand_in()
    kit.keep({
      close = function()
        moonport.attach, package.loaded.wx = native, nil
      end,
    })
    moonport.attach = function()
      return nil, "not here", "unsupported"
    end
    package.loaded.wx = wx
    local first, second = assert(attach()), assert(attach())
    second:detach()
    kit.equal(wx.running, 1, "timers that run")
    deliver(first, "wxTimer")
    kit.equal(wx.running, 0, "timers that run")
    moonport.attach = function()
      return nil, "a child", "forked"
    end
    kit.equal(select(3, attach()), "forked", "a failure that no timer cures")
  end)
end

function host.more(kit)
  message_box(kit)
  convenience(kit)
end

dofile(folder .. "window.lua")(host)
