-- SPDX-License-Identifier: MIT OR Apache-2.0
-- GLib's loop: a window of GTK 3 through lgi.
local measure = dofile(arg[0]:match("^.*/") .. "measure.lua")
local lgi = require("lgi")
local Gtk = lgi.require("Gtk", "3.0")
local GLib = lgi.GLib
local moonport = require("moonport")

Gtk.Window({ title = "Moonport in GTK", default_width = 400, default_height = 300 }):show_all()

measure({
  stop = Gtk.main_quit,
  attached = function()
    local attachment = assert(moonport.attach("gtk"))
    Gtk.main()
    attachment:detach()
  end,
  timer = function()
    local timer = GLib.timeout_add(GLib.PRIORITY_DEFAULT, 10, function()
      moonport.step()
      return true
    end)
    Gtk.main()
    GLib.source_remove(timer)
  end,
})
