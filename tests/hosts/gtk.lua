-- SPDX-License-Identifier: MIT OR Apache-2.0
-- GTK 3 through lgi: a real window, under a window manager.
local folder = arg[0]:match("^.*/") or "./"
local lgi = require("lgi")
local Gtk = lgi.require("Gtk", "3.0")
local Gdk, GLib = lgi.Gdk, lgi.GLib

local paints, motions, sizes, size = 0, 0, 0, nil

-- An animation: it is painted once a frame.
local area = Gtk.DrawingArea({ expand = true })
local animated = false
function area:on_draw(cr)
  paints = paints + 1
  local width, height = self:get_allocated_width(), self:get_allocated_height()
  cr:set_source_rgb(0.1, 0.1, 0.2)
  cr:paint()
  cr:set_source_rgb(0.9, 0.8, 0.5)
  cr:arc(width * (0.2 + 0.6 * (paints % 120) / 120), height / 2, height / 8, 0, 2 * math.pi)
  cr:fill()
  return true
end
area:add_events(Gdk.EventMask.POINTER_MOTION_MASK + Gdk.EventMask.BUTTON_PRESS_MASK)
function area:on_motion_notify_event()
  motions = motions + 1
  return false
end

local window = Gtk.Window({ title = "Moonport in GTK", default_width = 400, default_height = 300 })
function window:on_size_allocate(new)
  local is = new.width .. "x" .. new.height
  if is ~= size then
    size, sizes = is, sizes + 1
  end
end
window:add(area)
window:show_all()

local function timer(seconds, fn)
  local id
  id = GLib.timeout_add(GLib.PRIORITY_DEFAULT, math.max(1, math.floor(seconds * 1000)), function()
    if fn() then
      return true
    end
    id = nil
    return false
  end)
  return function()
    if id then
      GLib.source_remove(id)
      id = nil
    end
  end
end

local host = { name = "gtk", title = window.title, run = Gtk.main, stop = Gtk.main_quit }

function host.after(seconds, fn)
  return timer(seconds, function()
    fn()
  end)
end

function host.every(seconds, fn)
  return timer(seconds, function()
    fn()
    return true
  end)
end

local dialog
function host.dialog()
  dialog = Gtk.MessageDialog({
    transient_for = window,
    modal = true,
    buttons = "OK",
    message_type = "INFO",
    text = "A modal dialog",
    secondary_text = "Messages are delivered while it is open.",
  })
  dialog:run()
  dialog:destroy()
end

function host.close_dialog()
  dialog:response(Gtk.ResponseType.OK)
end

local menu
function host.menu(opened)
  menu = Gtk.Menu({})
  for _, label in ipairs({ "Open", "Save", "Close" }) do
    menu:append(Gtk.MenuItem({ label = label }))
  end
  menu:attach_to_widget(area, nil)
  menu:show_all()
  function menu:on_map()
    opened()
  end
  function area:on_button_press_event(event)
    menu:popup_at_pointer(event)
    return true
  end
end

function host.is_menu_open()
  return menu:get_mapped()
end

function host.close_menu()
  menu:popdown()
end

function host.resize(width, height)
  window:resize(width, height)
end

function host.sizes()
  return sizes
end

function host.paints()
  return paints
end

function host.motions()
  return motions
end

-- The animation runs while a flood is measured.
function host.animate(is_on)
  if is_on and not animated then
    area:add_tick_callback(function()
      area:queue_draw()
      return animated
    end)
  end
  animated = is_on
end

-- What a handler leaves to GTK goes on when the handler has ended, failed, or waits.
function host.more(kit)
  kit.test("signals and timers that handlers connected are called", function()
    local ticked, destroyed, slept = 0, 0, 0
    local got = kit.numbers(function(value)
      host.after(0.02, function()
        ticked = ticked + 1
      end)
      if value % 100 == 0 then
        local other = Gtk.Window({ title = "Another" })
        function other.on_destroy()
          destroyed = destroyed + 1
        end
        other:show_all()
        host.after(0.05, function()
          other:destroy()
        end)
      end
      if value % 3 == 0 then
        error("on purpose")
      elseif value % 3 == 1 then
        kit.sleep(0.03)
        host.after(0.001, function()
          slept = slept + 1
          collectgarbage()
        end)
      end
    end)
    kit.attach()
    kit.burst(got.port, 600)
    local cancel = host.every(0.02, function()
      if ticked == 600 and slept == 200 and destroyed == 6 then
        host.stop()
      end
    end)
    kit.run("what handlers connected")
    cancel()
    kit.equal(#kit.take_errors(), 200, "errors")
  end)
end

dofile(folder .. "window.lua")(host)

