-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The contestants in JavaScript: child processes. Node is found by PATH; what bench/peers/setup installed is found by
-- MOONPORT_PEERS, or in target/peers.

local children = require("children")
local machine = require("machine")

local peers = {}

function peers.folder()
  return os.getenv("MOONPORT_PEERS") or "target/peers"
end

local function node()
  local found, path = machine.output("command -v node")
  if found then
    return (path:gsub("%s+$", ""))
  end
end

-- The command that runs JavaScript for a contestant; nil and the reason.
function peers.runtime(name)
  if name == "bun" then
    local path = peers.folder() .. "/node_modules/.bin/bun"
    if machine.exists(path) then
      return path
    end
    return nil, "bun is not in " .. peers.folder() .. ": bench/peers/setup"
  end
  if name == "koffi" and not machine.exists(peers.folder() .. "/node_modules/koffi/package.json") then
    return nil, "koffi is not in " .. peers.folder() .. ": bench/peers/setup"
  end
  local path = node()
  if path then
    return path
  end
  return nil, "node is not installed; Debian: nodejs"
end

-- The flags by which an addon is compiled for the node that is found; nil and the reason.
function peers.node_flags()
  local path = node()
  if not path then
    return nil, "node is not installed; Debian: nodejs"
  end
  local _, real = machine.output("readlink -f " .. machine.quote(path))
  local own = real:gsub("/bin/[^/]*%s*$", "/include/node")
  for _, headers in ipairs({ own, peers.folder() .. "/node_modules/node-api-headers/include" }) do
    if machine.exists(headers .. "/node_api.h") then
      return "-I " .. machine.quote(headers)
    end
  end
  return nil, "node's headers are not installed: bench/peers/setup"
end

-- A contestant by the name of its script in the folder, with the library that it loads. ask(mode, number, ...) is one
-- measurement, as at the top of peer.js; nil and the reason where that fails.
function peers.contestant(scripts, name, library)
  local path, reason = peers.runtime(name)
  if not path then
    return nil, reason
  end
  return {
    ask = function(mode, ...)
      local command = { path, scripts .. "/peer.js", name, library, peers.folder(), mode }
      for _, number in ipairs({ ... }) do
        command[#command + 1] = ("%d"):format(number)
      end
      return children.ask(command)
    end,
  }
end

return peers
