-- SPDX-License-Identifier: MIT OR Apache-2.0
-- wxWidgets itself: wx.cpp opens the window and runs this script on its main thread.
local folder = arg[0]:match("^.*/") or "./"
local host = rawget(_G, "host")
host.name = "wx"

local function by_hand(actions)
  assert(os.execute("xdotool " .. actions .. " &"))
end

function host.menu(opened)
  host.menu_at_click(opened)
  local x, y = host.position()
  by_hand(("mousemove %d %d click 3"):format(x + 50, y + 50))
end

function host.close_menu()
  by_hand("key Escape")
end

-- Besides: the toolkit's own message box, opened by a handler and closed by a key.
function host.more(kit)
  kit.test("delivery goes on in a message box", function()
    local closed
    local got = kit.numbers(function(value, got)
      if value == 1 then
        host.message_box()
        closed = got.count
        host.stop()
      elseif value == 1000 then
        by_hand("key Return")
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

dofile(folder .. "window.lua")(host)
