-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A GTK window with a list that others fill: POST {"text": "..."} to /notes, as the command that it prints does.
-- GTK's own loop runs; Moonport wakes it up when a request comes.
--   apt install lua-lgi gir1.2-gtk-3.0
--   luajit examples/gtk/main.lua [address]       or: moonport run examples/gtk/main.lua [address]
local lgi = require("lgi")
local Gtk = lgi.require("Gtk", "3.0")
local moonport = require("moonport")

local TEXT = lgi.GObject.Type.STRING
local notes = Gtk.ListStore.new({ TEXT, TEXT })
local count = 0

local function column(title, at)
  return Gtk.TreeViewColumn({ title = title, { Gtk.CellRendererText({}), { text = at } } })
end

local view = Gtk.TreeView({ model = notes, can_focus = false })
view:append_column(column("Time", 1))
view:append_column(column("Note", 2))
local window = Gtk.Window({
  title = "Notes",
  default_width = 420,
  default_height = 300,
  Gtk.ScrolledWindow({ view }),
})
window.on_destroy = Gtk.main_quit

local server = moonport.http({ address = arg[1] })

-- Handlers run on this thread, between GTK's own events: they may do to widgets whatever GTK's handlers may.
server:post("/notes", function(request)
  local text = type(request.data) == "table" and request.data.text
  if type(text) ~= "string" then
    return moonport.response({ status = 400, body = 'expected {"text": "..."}\n' })
  end
  count = count + 1
  local row = notes:append({ os.date("%H:%M:%S"), text })
  view:scroll_to_cell(notes:get_path(row), nil, false, 0, 0)
  window.title = ("Notes (%d)"):format(count)
  return { notes = count }
end, { content = "json" })

server:post("/close", function()
  window:destroy()
end)

assert(moonport.attach("gtk"))
local url = assert(server:start())
local header = "-H 'Authorization: Bearer " .. server.token .. "' -H 'Content-Type: application/json'"
print(("curl %s -d '{\"text\": \"hello\"}' %s/notes"):format(header, url))
io.stdout:flush()
window:show_all()
Gtk.main()
server:stop()
