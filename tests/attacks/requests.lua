-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What wrk sends, by its name: wrk -s requests.lua URL -- NAME

local kinds = {
  kept = function()
    return wrk.format("GET", "/open")
  end,
  -- Answered 403 without Lua, and the connection is kept.
  rebinding = function()
    return "GET /open HTTP/1.1\r\nHost: evil.example\r\n\r\n"
  end,
  -- Answered 400, and the connection is closed.
  folding = function()
    return "GET /open HTTP/1.1\r\nHost: localhost\r\nX-A: a\r\n b\r\n\r\n"
  end,
  connecting = function()
    return wrk.format("GET", "/open", { Connection = "close" })
  end,
  -- 256 KiB of JSON that turn out to be malformed in their last byte.
  bodies = function()
    local body = "[" .. ("0,"):rep(2 ^ 17 - 2) .. "0}"
    return wrk.format("POST", "/open", { ["Content-Type"] = "application/json" }, body)
  end,
  -- A kibibyte of JSON for Lua, each time.
  json = function()
    local body = "[" .. ("0,"):rep(511) .. "0]"
    return wrk.format("POST", "/open", { ["Content-Type"] = "application/json" }, body)
  end,
}

function init(args)
  local one = kinds[args[1]]()
  request = function()
    return one
  end
end
