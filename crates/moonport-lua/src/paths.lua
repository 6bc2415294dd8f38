-- SPDX-License-Identifier: MIT OR Apache-2.0
-- LuaJIT looks below /usr/local only, as it is shipped. Distributions put modules of Lua 5.1 elsewhere: look there next,
-- unless LUA_PATH or LUA_CPATH leaves the standard places out.
if jit.os ~= "Linux" then return end
local names = { x64 = "x86_64-linux-gnu", x86 = "i386-linux-gnu", arm64 = "aarch64-linux-gnu", arm = "arm-linux-gnueabihf" }

local function look_after(key, standard, ...)
  for _, place in ipairs({ ... }) do
    local all = ";" .. package[key] .. ";"
    local first, last = all:find(";" .. standard .. ";", 1, true)
    if first and not all:find(";" .. place .. ";", 1, true) then
      package[key] = (all:sub(1, last) .. place .. all:sub(last)):sub(2, -2)
      standard = place
    end
  end
end

look_after("path", "/usr/local/share/lua/5.1/?/init.lua", "/usr/share/lua/5.1/?.lua", "/usr/share/lua/5.1/?/init.lua")
local multiarch = "/usr/lib/" .. (names[jit.arch] or jit.arch) .. "/lua/5.1/?.so"
look_after("cpath", "/usr/local/lib/lua/5.1/?.so", multiarch, "/usr/lib64/lua/5.1/?.so", "/usr/lib/lua/5.1/?.so")
