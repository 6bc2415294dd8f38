-- SPDX-License-Identifier: MIT OR Apache-2.0
-- What the files of cases share. A file of cases begins with
--   local case = dofile((arg[0]:match("^.*/") or "./") .. "../case.lua")
-- and ends with case.main(). `luajit FILE --list` lists its cases, `luajit FILE NAME` runs one; the last line of its
-- output is "ok" if it passed. tests/callback/run builds the module `native` that they need.
local case = { reports = {} }

case.unpack = rawget(_G, "unpack") or table.unpack

local cases, order = {}, {}
local compiles = rawget(_G, "jit") and jit.status()
-- Whatever takes longer has failed.
local PATIENCE = 15

-- A case for every Lua.
function case.test(name, fn)
  assert(not cases[name], name)
  cases[name] = fn
  order[#order + 1] = name
end

-- A case that needs LuaJIT's FFI library.
function case.ffi(name, fn)
  if rawget(_G, "jit") then
    case.test(name, fn)
  end
end

-- A case that says something only where loops are compiled.
function case.compiled(name, fn)
  if compiles then
    case.test(name, fn)
  end
end

local function show(value)
  return type(value) == "string"
      and ("%q"):format(#value > 100 and value:sub(1, 100) .. "..." or value)
    or tostring(value)
end

function case.equal(got, wanted, what)
  if got ~= wanted then
    error(("%s: expected %s, got %s"):format(what or "value", show(wanted), show(got)), 2)
  end
end

function case.match(text, pattern)
  if type(text) ~= "string" or not text:find(pattern) then
    error(("expected a text like %s, got %s"):format(show(pattern), show(text)), 2)
  end
end

-- fn must raise a message like pattern.
function case.raises(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  if ok then
    error(("expected an error like %s"):format(show(pattern)), 2)
  end
  case.match(message, pattern)
end

function case.pack(...)
  return { n = select("#", ...), ... }
end

local function equal_lists(got, wanted, what, level)
  local count = wanted.n or #wanted
  if got.n ~= count then
    error(("%s: expected %d values, got %d"):format(what, count, got.n), level + 1)
  end
  for i = 1, count do
    if got[i] ~= wanted[i] then
      local place = ("%s, value %d: expected %s, got %s"):format(
        what,
        i,
        show(wanted[i]),
        show(got[i])
      )
      error(place, level + 1)
    end
  end
end

-- case.gives({ wanted... }, values...): exactly these.
function case.gives(wanted, ...)
  equal_lists(case.pack(...), wanted, "results", 2)
end

-- Exactly these calls have arrived, each a list of its arguments; a list with nils says its length as n.
function case.arrived(got, ...)
  local wanted = case.pack(...)
  if #got ~= wanted.n then
    error(("expected %d calls, got %d"):format(wanted.n, #got), 2)
  end
  for i = 1, wanted.n do
    equal_lists(got[i], wanted[i], "call " .. i, 2)
  end
end

-- All six counts of a callback; those not named are 0.
function case.counts(callback, wanted)
  local got = callback:stats()
  for _, name in ipairs({ "calls", "delivered", "dropped", "errors", "timeouts", "after_close" }) do
    if got[name] ~= (wanted[name] or 0) then
      error(("stats().%s: expected %d, got %s"):format(name, wanted[name] or 0, show(got[name])), 2)
    end
    wanted[name] = nil
  end
  assert(not next(wanted), "a count that does not exist")
end

-- A 64-bit integer in decimal, whatever this Lua has for it.
function case.decimal(value)
  if type(value) == "number" and not (math.type and math.type(value) == "integer") then
    return ("%.0f"):format(value)
  end
  return (tostring(value):gsub("U?LL$", ""))
end

function case.native()
  return require("native")
end

-- Steps until nothing waits.
function case.drain()
  local moonport = require("moonport")
  while moonport.step() > 0 do
  end
end

-- Steps until the condition holds; it may come true without a message.
function case.step_until(condition, what)
  local moonport = require("moonport")
  local deadline = os.time() + PATIENCE
  while not condition() do
    moonport.step(0.002)
    if os.time() > deadline then
      error("waited in vain for " .. (what or "a condition"), 2)
    end
  end
end

-- Serves the callbacks until the thread has ended; the results of its call.
function case.await(thread)
  case.step_until(function()
    return thread:is_done()
  end, "a thread")
  return thread:join()
end

-- A native call on this thread, and on a new one while this serves.
function case.here(...)
  return case.native().call(...)
end
function case.there(...)
  return case.await(case.native().start(...))
end
case.both = { case.here, case.there }

-- A callback that keeps the arguments of each call, and the list of them.
function case.recorded(declaration, options)
  local got = {}
  local callback = require("moonport").callback(declaration, function(...)
    got[#got + 1] = case.pack(...)
  end, options)
  return callback, got
end

-- Until so many calls of a callback (by its name) wait.
function case.until_waiting(name, count)
  local deadline = os.time() + PATIENCE
  repeat
    local waiting
    for _, entry in ipairs(require("moonport").report()) do
      waiting = waiting or (entry.name == name and entry.stats.waiting)
    end
    assert(os.time() <= deadline, "no call came")
  until waiting == count
end

-- The call that is another Lua state, which runs this code with these texts and numbers.
function case.state(code, ...)
  -- It begins with the compiler on.
  local head = rawget(_G, "jit") and not compiles and "jit.off() " or ""
  return "state", case.native().pointer(0), package.path, package.cpath, head .. code, ...
end

-- Runs of the same kind in short: "argument * 3".
local function in_short(kinds)
  local parts = {}
  for i, kind in ipairs(kinds) do
    local last = parts[#parts]
    if last and kinds[i - 1] == kind then
      last.count = last.count + 1
    else
      parts[#parts + 1] = { kind = kind, count = 1 }
    end
  end
  for i, part in ipairs(parts) do
    parts[i] = part.count == 1 and part.kind or ("%s * %d"):format(part.kind, part.count)
  end
  return table.concat(parts, ", ")
end

-- on_error has heard exactly of these kinds, in this order ("overflow", "argument * 4"); gives the messages, and
-- forgets them.
function case.told(...)
  local kinds, messages = {}, {}
  for i, report in ipairs(case.reports) do
    kinds[i], messages[i] = report.kind, report.message
  end
  case.reports = {}
  local got, wanted = in_short(kinds), table.concat({ ... }, ", ")
  if got ~= wanted then
    error(
      ("on_error: expected (%s), got (%s) %s"):format(wanted, got, table.concat(messages, "; ")),
      2
    )
  end
  return messages
end

local function listen()
  require("moonport").on_error(function(message, info)
    case.reports[#case.reports + 1] =
      { message = message, kind = info.kind, name = info.name, traceback = info.traceback }
  end)
end

-- How a case ends that goes on in native code: that says "ok", and what is open stays so for the state to close.
function case.ends_in_native()
  case.is_native = true
end

local function run(name)
  local fn = cases[name]
  if not fn then
    io.stderr:write("no case ", name, "\n")
    os.exit(2)
  end
  io.stdout:setvbuf("no")
  listen()
  local ok, message = xpcall(function()
    fn()
    if not case.is_native then
      case.told()
    end
  end, debug.traceback)
  if not ok then
    io.stderr:write(tostring(message), "\n")
    os.exit(1)
  end
  if not case.is_native then
    require("moonport").shutdown(0)
    print("ok")
  end
end

function case.main()
  if arg[1] == "--list" then
    for _, name in ipairs(order) do
      print(name)
    end
  else
    run(arg[1])
  end
end

return case
