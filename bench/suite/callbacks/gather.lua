-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Who takes part: moonport.callback, what callbacks shares with ports, the socket pair, and the peers in JavaScript. One in
-- Lua has run(size, count, threads, making), as contestants.lua says, and later(seconds, fn), which calls fn in its loop
-- unless the function that it gives is called before; one in a child process has ask(mode, ...), as peers.lua says.

local ffi = require("ffi")
local contestants = require("contestants")
local machine = require("machine")
local moonport = require("moonport")
local peers = require("peers")

local TEXT = "void (*)(const char *data, size_t size)"

local function later_in_moonport(seconds, fn)
  local timer = moonport.after(seconds, fn)
  return function()
    timer:cancel()
  end
end

local function later_in_luv(seconds, fn)
  local uv = require("luv")
  local timer = uv.new_timer()
  -- The loop's clock stands while it does not run.
  uv.update_time()
  timer:start(seconds * 1000, 0, fn)
  -- So that a loop that has nothing else ends.
  timer:unref()
  return function()
    timer:close()
    uv.run("nowait")
  end
end

local function callback(caller)
  return {
    run = function(_, count, threads, making)
      local handler, check = making(count, moonport.stop)
      local target = moonport.callback(TEXT, handler)
      local spent = machine.measure(function()
        assert(caller.caller_flood(target.pointer, count, threads) == 0)
        moonport.run()
      end)
      caller.caller_join()
      check()
      target:close()
      return spent
    end,
  }
end

-- Receives in turns of as many messages as a turn of Moonport has, so that the loop does not starve.
local function receiving(fd, decode, handler)
  local TURN, LARGEST, MSG_DONTWAIT = 256, 4096, 0x40
  local buffer = ffi.new("char[?]", LARGEST)
  return function()
    for _ = 1, TURN do
      local size = tonumber(ffi.C.recv(fd, buffer, LARGEST, MSG_DONTWAIT))
      if size <= 0 then
        return
      end
      handler(decode(ffi.string(buffer, size)).data)
    end
  end
end

local function pair(folder, window)
  for _, name in ipairs({ "luv", "cjson" }) do
    if not package.searchpath(name, package.cpath) then
      return nil, name .. " is not installed: bench/peers/setup"
    end
  end
  local uv, decode = require("luv"), require("cjson").decode
  ffi.cdef([[
    int pair_open(void);
    int pair_flood(void *window, int size, int count, int threads);
    int pair_join(void);
    ssize_t recv(int fd, void *buffer, size_t size, int flags);
  ]])
  local library = ffi.load(assert(machine.compile(folder, "pair")))
  return {
    run = function(size, count, threads, making)
      local handler, check = making(count, uv.stop)
      local fd = library.pair_open()
      assert(fd >= 0, "callbacks: no socket pair")
      local poll = uv.new_poll(fd)
      poll:start("r", receiving(fd, decode, handler))
      local spent = machine.measure(function()
        assert(library.pair_flood(window, size, count, threads) == 0)
        uv.run()
      end)
      poll:close()
      uv.run()
      assert(library.pair_join() == 0, "callbacks: a sender gave up")
      check()
      return spent
    end,
  }
end

local function node_api(folder)
  local flags, reason = peers.node_flags()
  if not flags then
    return nil, reason
  end
  local caller = machine.quote(folder .. "/caller.c")
  local library, message = machine.compile(folder, "addon", flags .. " " .. caller)
  if not library then
    return nil, "its addon does not compile: " .. message:match("[^\n]*")
  end
  return peers.contestant(folder, "node-api", library)
end

-- Everybody who can be measured here, with the calls of one sample; and the reasons why the others cannot.
return function(folder, caller, library)
  local ports = folder:match("^(.*)/") .. "/ports"
  local window = caller.caller_window()
  local options = {
    variant = "text",
    flags = "-DPRINTABLE",
    window = contestants.decimal(ffi.cast("uintptr_t", window)),
  }
  local all, missing = {}, {}
  local function add(name, count, later, contestant, reason)
    missing[name] = reason
    if contestant then
      contestant.name, contestant.count, contestant.later = name, count, later
      all[#all + 1] = contestant
      all[name] = contestant
    end
  end
  add("moonport callback", 1000000, later_in_moonport, callback(caller))
  add("moonport port", 1000000, later_in_moonport, contestants.port(ports, options))
  add("queue under luv", 1000000, later_in_luv, contestants.queue(ports, options))
  add("socket pair, cjson", 200000, later_in_luv, pair(folder, window))
  add("Node-API", 800000, nil, node_api(folder))
  add("Bun", 400000, nil, peers.contestant(folder, "bun", library))
  add("koffi", 40000, nil, peers.contestant(folder, "koffi", library))
  return all, missing
end
