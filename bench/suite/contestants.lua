-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The contestants that more than one benchmark has: C threads that send to a port, and the queue that one writes by hand.
-- Each is a table with a name and
--   run(size, count, threads, making)   sends so many strings and gives what machine.measure gives. making(total, done)
--                                       makes the handler, which calls done() at the last one, and a function that is
--                                       called when all is over.
-- or nil and the reason. Options: variant (the start of the C module's name, for one that is compiled with its own flags),
-- flags, window (the address of senders.h's window).

local ffi = require("ffi")
local machine = require("machine")
local moonport = require("moonport")

local contestants = {}

-- A pointer or a handle, as text in decimal.
function contestants.decimal(handle)
  return (tostring(handle):gsub("ULL$", ""):gsub("LL$", ""))
end

function contestants.api_address()
  local api = moonport.api
  return api and contestants.decimal(ffi.cast("uintptr_t", type(api) == "userdata" and ffi.cast("void *", api) or api))
end

local function compile(folder, name, flags, options)
  local module = (options.variant and options.variant .. "-" or "") .. name
  local fine, message = machine.compile(folder, name, flags .. " " .. (options.flags or ""), module)
  return fine and module, message
end

function contestants.port(folder, options)
  options = options or {}
  local api = contestants.api_address()
  if not api then
    return nil, "this Moonport has no moonport.api"
  end
  local module = require(assert(compile(folder, "port", "", options)))
  return {
    name = "moonport",
    run = function(size, count, threads, making)
      local handler, check = making(count, moonport.stop)
      local target = assert(moonport.port({ capacity = 65536, overflow = "error" })):on(handler)
      local spent = machine.measure(function()
        module.start(api, contestants.decimal(target:handle()), size, count, threads, options.window)
        moonport.run()
      end)
      module.finish()
      check()
      target:close()
      return spent
    end,
  }
end

function contestants.queue(folder, options)
  options = options or {}
  local path = package.searchpath("luv", package.cpath)
  if not path then
    return nil, "luv is not installed: bench/peers/setup"
  end
  local name, message = compile(folder, "queue", machine.flags("libuv"), options)
  if not name then
    return nil, message:find("uv.h", 1, true) and "libuv's headers are not installed: bench/peers/setup" or message
  end
  -- So that our module sees libuv as luv does, whichever copy that is.
  local loaded, reason = pcall(ffi.load, path, true)
  if not loaded then
    return nil, reason
  end
  local uv = require("luv")
  local module = require(name)
  return {
    name = "queue under luv",
    run = function(size, count, threads, making)
      local handler, check = making(count, uv.stop)
      local spent = machine.measure(function()
        module.start(handler, size, count, threads, options.window)
        uv.run()
      end)
      module.finish()
      uv.run()
      check()
      return spent
    end,
  }
end

return contestants
