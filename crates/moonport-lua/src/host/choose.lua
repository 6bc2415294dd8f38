-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Which host the program itself is, which one an object belongs to, and how an adapter in Lua is started.
local loaded = type(package) == "table" and package.loaded or {}
local globals = _G

local function is_global(object, name)
  return object == loaded[name] or object == rawget(globals, name)
end

-- LÖVE and Neovim run the script themselves: there is no doubt about the loop.
local function embedder()
  local love, vim = rawget(globals, "love"), rawget(globals, "vim")
  if type(love) == "table" and love.event then
    return "love"
  elseif type(vim) == "table" and vim.schedule then
    return "neovim"
  end
end

local function is_controller(object)
  local cqueues = loaded.cqueues
  return type(cqueues) == "table" and (object == cqueues or cqueues.type(object) == "controller")
end

local modules = { copas = "copas", love = "love", vim = "neovim", lgi = "glib", wx = "glib", SDL = "sdl" }
local namespaces = { GLib = true, Gio = true, Gdk = true, Gtk = true }

local function host_of(object)
  for name, host in pairs(modules) do
    if is_global(object, name) then
      return host
    end
  end
  if is_controller(object) then
    return "cqueues"
  elseif type(object) ~= "table" then
    return nil
  elseif loaded.lgi and namespaces[rawget(object, "_name")] then
    return "glib"
  elseif object.new_poll and object.run and object.now then
    return rawget(globals, "vim") and "neovim" or "luv"
  end
end

local function start(name, moonport, object, step, referenced)
  local found, attach = pcall(require, "moonport.host." .. name)
  if not found and not tostring(attach):find("not found", 1, true) then
    error(attach, 0)
  elseif not found then
    return nil, ("moonport.attach: no adapter for %q: %s"):format(name, attach), "not_found"
  end
  local detach, message, kind = attach(moonport, object, step, referenced)
  if detach ~= nil and type(detach) ~= "function" then
    error(("moonport.host.%s: expected a function that detaches, got a %s"):format(name, type(detach)), 0)
  end
  return detach, message, kind
end

return embedder, host_of, start
