-- SPDX-License-Identifier: MIT OR Apache-2.0
-- How soon a message wakes a loop that sleeps: every host attached, and beside it, in the same loop, a timer of 10 ms that
-- looks. Each host runs in a process of its own.

local ffi = require("ffi")
local children = require("children")
local machine = require("machine")
local rounds = require("rounds")
local statistics = require("statistics")

local MESSAGES = 200
local TIMES = 20 -- as long as attached takes the timer, at least

-- The script in the folder; how its timer is made; the packages of Debian that bring it; whether it opens a window. What
-- must be there: a module of Lua, a library, or a program, which has a Lua of its own and needs our module for it.
local HOSTS = {
  { name = "moonport.run", script = "own", timer = "sleep for 10 ms" },
  { name = "luv", script = "luv", timer = "uv timer", module = "luv", packages = "lua-luv" },
  { name = "cqueues", script = "cqueues", timer = "cqueues.poll(0.01)", module = "cqueues", packages = "lua-cqueues" },
  { name = "copas", script = "copas", timer = "copas.step(0.01)", module = "copas", packages = "lua-copas" },
  { name = "LuaSocket", script = "luasocket", timer = "select, 10 ms", module = "socket", packages = "lua-socket" },
  {
    name = "GLib (GTK 3)",
    script = "gtk",
    timer = "GLib timeout",
    module = "lgi",
    packages = "lua-lgi gir1.2-gtk-3.0",
    window = true,
  },
  {
    name = "SDL 2",
    script = "sdl",
    timer = "SDL_WaitEventTimeout",
    library = "libSDL2-2.0.so.0",
    packages = "libsdl2-2.0-0",
    window = true,
  },
  { name = "LÖVE", script = "love", timer = "frames of 10 ms", program = "love", packages = "love", window = true },
  { name = "Neovim", script = "neovim", timer = "uv timer", program = "nvim", packages = "neovim" },
}

local hosts = {}

local function has_program(name)
  return (machine.output("command -v " .. name))
end

-- What programs with a Lua of their own load: the folder that scripts/build makes.
local function modules()
  return (os.getenv("MOONPORT_LUA") or "target/lua") .. "/luajit"
end

local function is_installed(host)
  if host.module then
    return package.searchpath(host.module, package.path) or package.searchpath(host.module, package.cpath)
  elseif host.library then
    return (pcall(ffi.load, host.library))
  elseif host.program then
    return has_program(host.program)
  end
  return true
end

-- Nil where the host is here, else the reason.
local function lacks(host)
  if not is_installed(host) then
    return "not installed; Debian: " .. host.packages
  elseif host.program and not machine.exists(modules() .. "/moonport.so") then
    return ("no module in %s: scripts/build luajit"):format(modules())
  elseif host.window and not has_program("Xvfb") and not os.getenv("DISPLAY") then
    return "no screen; Debian: xvfb"
  end
end

-- What runs its script; words for children.ask.
local function command_of(host, folder)
  local script = ("%s/%s"):format(folder, host.script)
  if host.program == "love" then
    return { "love", script }
  end
  script = script .. ".lua"
  if host.program == "nvim" then
    return { "nvim", "--clean", "--headless", "-c", "luafile " .. script }
  end
  return { machine.executable(), "run", script }
end

-- One round of a host: what measure.lua prints; nil and the reason.
local function measure(host, folder, sender, first)
  local words = {
    "env",
    "MOONPORT_SENDER=" .. sender,
    ("MOONPORT_MESSAGES=%d"):format(MESSAGES),
    "MOONPORT_FIRST=" .. first,
  }
  local function add(list)
    for _, word in ipairs(list) do
      words[#words + 1] = word
    end
  end
  if host.program then
    add({ ("LUA_PATH=%s/?.lua;;"):format(modules()), ("LUA_CPATH=%s/?.so;;"):format(modules()) })
  end
  if host.window then
    -- The same for everybody, and nothing else that may wake up.
    add({ "GDK_BACKEND=x11", "SDL_VIDEODRIVER=x11", "SDL_AUDIODRIVER=dummy", "LIBGL_ALWAYS_SOFTWARE=1", "NO_AT_BRIDGE=1" })
    if has_program("Xvfb") then
      add({ "sh", folder .. "/screen.sh" })
    end
  end
  add(command_of(host, folder))
  return children.ask(words)
end

-- Numbers that rounds.lua can compare: one table for both ways.
local function flat(result)
  local sample = {}
  for way, fields in pairs(result) do
    for field, value in pairs(fields) do
      sample[way .. "_" .. field] = value
    end
  end
  return sample
end

-- The median, over the rounds, of how many times as long the timer takes.
local function times(case)
  return statistics.of(case.samples, function(sample)
    return sample.timer_median / sample.attached_median
  end).median
end

local function wake_ups_table(cases)
  local rows = {}
  local function row(case, way, name)
    local line = { case.host.name, name }
    for _, field in ipairs({ "median", "low", "high" }) do
      line[#line + 1] = rounds.of(case, way .. "_" .. field).median / 1000
    end
    line[#line + 1] = ("%.0f"):format(rounds.of(case, way .. "_sleeps").median)
    rows[#rows + 1] = line
  end
  for _, case in ipairs(cases) do
    row(case, "attached", "attached")
    row(case, "timer", case.host.timer)
  end
  return {
    title = "From a thread's send to the handler, in a loop that sleeps",
    columns = { "host", "woken by", "median, µs", "a tenth, µs", "nine tenths, µs", "idle wake-ups a second" },
    rows = rows,
    bar = 3,
    range = { 4, 5 },
  }
end

-- Why a host is missing is in the notes.
local function goals_of(cases, failed)
  local goals, found = {}, {}
  local sleeps
  for _, case in ipairs(cases) do
    found[case.host] = case
    sleeps = math.max(sleeps or 0, rounds.of(case, "attached_sleeps").most)
  end
  for _, host in ipairs(HOSTS) do
    local case = found[host]
    goals[#goals + 1] = {
      what = host.name .. ": the timer's median, times that of attached",
      value = case and times(case),
      at = "least",
      limit = TIMES,
      missing = failed[host] and "it failed" or "not here",
    }
  end
  goals[#goals + 1] = {
    what = "idle wake-ups a second, attached: the most of any host",
    value = sleeps,
    at = "most",
    limit = 0,
    missing = "all failed",
  }
  return goals
end

local function notes_of()
  return {
    ("Medians of %d rounds in which the hosts take turns, each time in a new process;"):format(rounds.COUNT)
      .. " a ratio is the median of the rounds' ratios.",
    ("%d messages each way and round, 1 to 3 ms apart: all threads sleep, and no timer is in step."):format(MESSAGES)
      .. " A timer takes half its period.",
    "The time is from just before the send to the first line of the handler. Which way is first changes from round to round.",
    "Idle wake-ups: how often any thread of the process went to sleep again in a second of silence, as the kernel counts.",
    "moonport.run, select and SDL's loops are the program's own. wxWidgets on Linux runs on GLib, and is not measured apart.",
  }
end

local function list_of(missing)
  local list = {}
  for _, host in ipairs(HOSTS) do
    list[#list + 1] = missing[host] and { name = host.name, reason = missing[host] } or nil
  end
  return list
end

function hosts.run(folder, progress)
  local sender, message = machine.compile(folder, "sender")
  if not sender then
    error("moonport bench hosts: it compiles its C parts with cc, which fails:\n" .. message, 0)
  end
  local cases, missing, failed = {}, {}, {}
  for _, host in ipairs(HOSTS) do
    missing[host] = lacks(host)
    if not missing[host] then
      cases[#cases + 1] = { host = host, taken = 0 }
    end
  end
  local able = rounds.run(cases, function(case)
    case.taken = case.taken + 1
    local first = case.taken % 2 == 1 and "attached" or "timer"
    local result, reason = measure(case.host, folder, sender, first)
    return result and flat(result), reason
  end, progress)
  for _, case in ipairs(cases) do
    if case.failed then
      local packages = case.host.packages
      failed[case.host] = true
      missing[case.host] = "it failed: " .. case.failed .. (packages and "; Debian: " .. packages or "")
    end
  end
  return {
    title = "Hosts: a message wakes the loop that sleeps",
    tables = { wake_ups_table(able) },
    goals = goals_of(able, failed),
    notes = notes_of(),
    missing = list_of(missing),
  }
end

return hosts
