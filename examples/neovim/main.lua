-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Neovim: other programs read the current buffer and add lines to it, while you type.
--   nvim -c "luafile examples/neovim/main.lua"      or: require it from init.lua
--   curl -H "Authorization: Bearer TOKEN" --data-binary "a line" http://127.0.0.1:PORT/lines
-- Address and token are what :Moonport tells.
local moonport = require("moonport")

assert(moonport.attach("neovim"))
local server = moonport.http({ address = "127.0.0.1:0" })

server:get("/lines", function()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), "\n") .. "\n"
end)

-- Handlers run where vim.schedule runs: all of vim.api may be used.
server:post("/lines", function(request)
  local lines = vim.split((request.body:gsub("\n$", "")), "\n", { plain = true })
  local buffer = vim.api.nvim_get_current_buf()
  if not vim.bo[buffer].modifiable then
    return moonport.response({ status = 409, body = "this buffer cannot be changed\n" })
  end
  vim.api.nvim_buf_set_lines(buffer, -1, -1, true, lines)
  return { buffer = vim.api.nvim_buf_get_name(buffer), lines = vim.api.nvim_buf_line_count(buffer) }
end, { content = "raw" })

local url = assert(server:start())
vim.g.moonport_url, vim.g.moonport_token = url, server.token

vim.api.nvim_create_user_command("Moonport", function()
  print(("curl -H 'Authorization: Bearer %s' %s/lines"):format(server.token, url))
end, { desc = "how to reach this Neovim by HTTP" })
