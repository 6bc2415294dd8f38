-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The contestants: functions decode(text) and encode(value), if they are installed.

local moonport = require("moonport")

local codecs = {}

local function own()
  return { decode = moonport.json.decode, encode = moonport.json.encode }
end

local function cjson()
  local module = require("cjson")
  return { decode = module.decode, encode = module.encode }
end

-- With LPeg, which it uses for decoding where that is installed. It has no value for null.
local function dkjson()
  local module = require("dkjson")
  local found, with_lpeg = pcall(module.use_lpeg)
  module = found and with_lpeg or module
  local state = {
    exception = function(_, value)
      return value == moonport.null and "null"
    end,
  }
  return {
    decode = function(text)
      return (module.decode(text, 1, moonport.null))
    end,
    encode = function(value)
      return module.encode(value, state)
    end,
  }
end

local function rapidjson()
  local module = require("rapidjson")
  return { decode = module.decode, encode = module.encode }
end

codecs.NAMES = { "moonport", "lua-cjson", "dkjson", "lua-rapidjson" }
local MAKERS = { moonport = own, ["lua-cjson"] = cjson, dkjson = dkjson, ["lua-rapidjson"] = rapidjson }

-- Those that are there, in order, and why the others are not, by name.
function codecs.gather()
  local all, missing = {}, {}
  for _, name in ipairs(codecs.NAMES) do
    local found, codec = pcall(MAKERS[name])
    if found then
      codec.name = name
      all[#all + 1] = codec
    else
      missing[name] = "not installed: bench/peers/setup"
    end
  end
  return all, missing
end

return codecs
