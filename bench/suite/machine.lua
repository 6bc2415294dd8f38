-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The machine and its clocks, and how a contestant in C becomes a module.

local ffi = require("ffi")
local moonport = require("moonport")

ffi.cdef([[
typedef struct { long seconds, nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *time);
int sched_getaffinity(int process, size_t size, void *set);
]])

local machine = {}
local MONOTONIC, PROCESS, THREAD = 1, 2, 3
local time = ffi.new("bench_time")

local function read(clock)
  ffi.C.clock_gettime(clock, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) * 1e-9
end

-- Runs fn: the seconds that passed, and the CPU seconds of this thread and of the whole process.
function machine.measure(fn)
  collectgarbage()
  local wall, process, thread = read(MONOTONIC), read(PROCESS), read(THREAD)
  fn()
  return {
    wall = read(MONOTONIC) - wall,
    process = read(PROCESS) - process,
    thread = read(THREAD) - thread,
  }
end

-- The cores on which this process may run.
function machine.cores()
  local set = ffi.new("uint8_t[128]")
  local cores = {}
  if ffi.C.sched_getaffinity(0, 128, set) >= 0 then
    for core = 0, 1023 do
      if math.floor(set[math.floor(core / 8)] / 2 ^ (core % 8)) % 2 == 1 then
        cores[#cores + 1] = core
      end
    end
  end
  return cores
end

-- Where the two threads of a round trip run.
function machine.placements()
  local cores = machine.cores()
  local placements = { { name = "one core", asker = cores[1], owner = cores[1] } }
  if cores[2] then
    placements[2] = { name = "two cores", asker = cores[1], owner = cores[2] }
  end
  return placements
end

-- Runs a command: did it end well, and what it printed.
function machine.output(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo $?"))
  local all = pipe:read("*a")
  pipe:close()
  -- None where something writes on after the command's end.
  local text, status = all:match("^(.-)(%d+)%s*$")
  return status == "0", text or all
end

-- This executable, whose LuaJIT runs contestants that are Lua libraries.
function machine.executable()
  local fine, path = machine.output("readlink -f /proc/$PPID/exe")
  return assert(fine and path:gsub("%s+$", ""))
end

-- The text of a file.
function machine.read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

function machine.exists(path)
  local file = io.open(path)
  return file and file:close()
end

function machine.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Compiles folder/name.c to a module that require(module) finds (the same name if it is not given), with the headers of the
-- suite and of its folder ports. Gives the library's path; false and the reason if that does not work.
function machine.compile(folder, name, flags, module)
  local suite = folder:match("^(.*)/")
  local target = suite .. "/" .. (module or name) .. ".so"
  local source = folder .. "/" .. name .. ".c"
  local words = { "cc -O2 -shared -fPIC -pthread" }
  for _, word in ipairs({ "-I", suite, "-I", suite .. "/ports", "-o", target, source }) do
    words[#words + 1] = machine.quote(word)
  end
  local fine, text = machine.output(table.concat(words, " ") .. " " .. (flags or ""))
  return fine and target, text
end

-- The flags by which a C library is compiled against.
function machine.flags(library)
  local fine, text = machine.output("pkg-config --cflags " .. library)
  return fine and text:gsub("%s+$", "") or ""
end

-- The first line that a command prints.
local function line_of(command)
  local fine, text = machine.output(command)
  return fine and text:match("[^\n]+") or "unknown"
end

local function find(path, pattern)
  local file = io.open(path)
  if not file then
    return "unknown"
  end
  local text = file:read("*a")
  file:close()
  return text:match(pattern) or "unknown"
end

-- The machine, what is measured, and how to do that again, before the benchmarks of these names: facts = { { what, it is }, ... }.
function machine.describe(names)
  local count = os.getenv("MOONPORT_ROUNDS")
  local prefix = count and ("MOONPORT_ROUNDS=%s "):format(count) or ""
  local processor = find("/proc/cpuinfo", "model name%s*:%s*([^\n]+)")
  local load = find("/proc/loadavg", "^%S+")
  local cores = machine.cores()
  return {
    processor = processor,
    cores = #cores,
    load = tonumber(load) or moonport.null,
    system = jit.os .. " " .. jit.arch,
    lua = jit.version,
    facts = {
      { "Processor", ("%s, %d cores for this process"):format(processor, #cores) },
      { "System", line_of("uname -srm") },
      { "Moonport", moonport._VERSION },
      { "Lua", jit.version },
      { "C compiler", line_of("cc --version") },
      { "Load before", load },
      { "Measured", os.date("!%Y-%m-%d %H:%M UTC") },
      { "Again by", prefix .. "moonport bench " .. table.concat(names, " ") .. " --html FILE" },
    },
  }
end

return machine
