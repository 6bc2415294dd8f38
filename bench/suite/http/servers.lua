-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The servers that `moonport bench http` measures: where they are, how they are started and ended. What bench/peers/setup
-- installed is found by MOONPORT_PEERS, or in target/peers.

local machine = require("machine")
local moonport = require("moonport")
local peers = require("peers")

local servers = {}

-- name; what it serves; command(folder) gives the words that start it, or nil and the reason.
servers.ALL = {}

local function add(name, kinds, command)
  servers.ALL[#servers.ALL + 1] = { name = name, kinds = kinds, command = command }
end

local HTTP = { http = true }
local SOCKET = { socket = true }
local BOTH = { http = true, socket = true }

add("moonport", BOTH, function(folder)
  return { machine.executable(), "run", folder .. "/moonport.lua" }
end)

local function bare(name)
  return function()
    local path = peers.folder() .. "/bare/release/" .. name
    if machine.exists(path) then
      return { path }
    end
    return nil, "not in " .. peers.folder() .. ": bench/peers/setup"
  end
end

add("bare hyper", HTTP, bare("hyper-echo"))
add("bare tungstenite", SOCKET, bare("tungstenite-echo"))

-- A port that is free now, for a server that cannot choose one itself.
local function free_port()
  local server = moonport.http({ address = "127.0.0.1:0", token = false })
  local port = assert(server:start()):match(":(%d+)$")
  server:stop(0)
  return port
end

-- Debian's packages in a folder of their own: their LuaJIT would take the place of the system's.
add("nginx + lua", HTTP, function(folder)
  local root = peers.folder() .. "/nginx"
  local fine, found = machine.output("realpath " .. machine.quote(root))
  root = fine and found:gsub("%s+$", "") or root
  if not machine.exists(root .. "/usr/lib/nginx/modules/ngx_http_lua_module.so") then
    return nil, "not in " .. peers.folder() .. ": bench/peers/setup"
  end
  local cjson = package.searchpath("cjson", package.cpath)
  if not cjson then
    return nil, "lua-cjson is not installed: bench/peers/setup"
  end
  local port = free_port()
  local fields = {
    modules = root .. "/usr/lib/nginx/modules",
    lua = root .. "/usr/share/lua/5.1",
    cjson = cjson:gsub("cjson%.so$", "?.so"),
    folder = folder,
    port = port,
  }
  local source = assert(io.open(folder .. "/nginx.conf"))
  local text = source:read("*a"):gsub("{{(%w+)}}", fields)
  source:close()
  local target = assert(io.open(folder .. "/nginx.filled.conf", "w"))
  target:write(text)
  target:close()
  -- It says nothing when it is ready, so its address is known before.
  local start = ('echo "http://127.0.0.1:%s"; exec "$@"'):format(port)
  local _, libraries = machine.output(("ls -d %s/usr/lib/*/"):format(machine.quote(root)))
  libraries = libraries:gsub("%s+$", ""):gsub("%s+", ":")
  local words = { "env", "LD_LIBRARY_PATH=" .. libraries, "sh", "-c", start, "sh", root .. "/usr/sbin/nginx" }
  for _, word in ipairs({ "-e", "stderr", "-p", folder, "-c", folder .. "/nginx.filled.conf" }) do
    words[#words + 1] = word
  end
  return words
end)

local function script(name)
  return function(folder)
    local path, reason = peers.runtime(name)
    return path and { path, ("%s/%s.js"):format(folder, name) }, reason
  end
end

add("Node", HTTP, script("node"))
add("Bun", BOTH, script("bun"))

-- Lua libraries run in the LuaJIT that runs this.
local function library(name, packages, ...)
  local modules = { ... }
  return function(folder)
    for _, module in ipairs(modules) do
      if not package.searchpath(module, package.path) and not package.searchpath(module, package.cpath) then
        return nil, "not installed; Debian: " .. packages
      end
    end
    return { machine.executable(), "run", ("%s/%s.lua"):format(folder, name) }
  end
end

add("lua-http", BOTH, library("lua-http", "lua-http lua-cjson", "http.server", "cjson"))
add("luv, by hand", HTTP, library("luv", "lua-luv lua-cjson", "luv", "cjson"))

local function read(path)
  local file = io.open(path)
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text or ""
end

-- Starts a server on one core, and waits until it says its address: { port, process, stop() }; nil and the reason.
function servers.start(server, folder, number, core)
  local command, reason = server.command(folder)
  if not command then
    return nil, reason
  end
  local output = ("%s/output.%d"):format(folder, number)
  local words = { "exec", "sh", machine.quote(folder .. "/serve.sh"), machine.quote(output) }
  words[#words + 1] = ("taskset -c %d"):format(core)
  for _, word in ipairs(command) do
    words[#words + 1] = machine.quote(word)
  end
  local pipe = assert(io.popen(table.concat(words, " "), "w"))
  local ready = ("until grep -q '^http://.*:' %s; do sleep 0.05; done"):format(machine.quote(output))
  local fine = machine.output("timeout 10 sh -c " .. machine.quote(ready .. " 2>/dev/null"))
  local port = tonumber(read(output):match("http://[%w.]+:(%d+)"))
  if not fine or not port then
    pipe:close()
    return nil, read(output):match("[^\n]+") or "it did not say its address within 10 s"
  end
  return {
    port = port,
    process = tonumber(read(output .. ".pid"):match("%d+")),
    stop = function()
      pipe:close()
    end,
  }
end

return servers
