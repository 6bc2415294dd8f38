-- SPDX-License-Identifier: MIT OR Apache-2.0
-- HTTP servers that do the same work, and WebSocket echoes: CPU for each request, requests a second, delays, memory. Each
-- server is a process on one core, the client is on another, in this process.

local ffi = require("ffi")
local machine = require("machine")
local moonport = require("moonport")
local requests = require("http.requests")
local rounds = require("rounds")
local servers = require("http.servers")

local http = {}

local CONNECTIONS = { 64, 1 }
local WARM_UP, SECONDS = 0.1, 0.4
local IDLE = 0.5

local function load_client(folder)
  local path, message = machine.compile(folder, "load", nil, "http-load")
  if not path then
    error("moonport bench http: it compiles its C parts with cc, which fails:\n" .. message, 0)
  end
  ffi.cdef(machine.read(folder .. "/load.h"))
  return ffi.load(path)
end

local function resident(process)
  local kilobytes = machine.read(("/proc/%d/status"):format(process)):match("VmRSS:%s*(%d+)")
  return kilobytes / 1024
end

-- The bytes of a correct answer; nil and what is wrong.
local function ask(client, kind, port)
  local request = kind.request(port)
  local capacity = 2 * #request + 65536
  local answer = ffi.new("char[?]", capacity)
  local size = tonumber(client.load_ask(port, request, #request, answer, capacity))
  if size < 0 then
    return nil, "no whole answer to " .. kind.name
  end
  local body = ffi.string(answer, size)
  if not requests.is_right(kind, body) then
    return nil, ("a wrong answer to %s: %s"):format(kind.name, body:sub(1, 60))
  end
  return body
end

-- One measurement of a case: a server, a kind of request, a number of connections.
local function measure(client, case, core)
  local running, kind = case.running, case.kind
  local request = kind.request(running.port)
  local handshake = kind.handshake and kind.handshake(running.port) or ""
  local plan, result = ffi.new("load_plan"), ffi.new("load_result")
  plan.request, plan.request_size = request, #request
  plan.answer, plan.answer_size = case.answer, #case.answer
  plan.handshake, plan.handshake_size = handshake, #handshake
  plan.port, plan.process, plan.core = running.port, running.process, core
  plan.connections = case.connections
  plan.warm_up, plan.seconds = WARM_UP, SECONDS
  if client.load_run(plan, result) ~= 0 then
    return nil, ("%s, %d connections: %s"):format(kind.name, case.connections, ffi.string(result.failure))
  end
  return {
    cpu = (result.cpu - running.idle * result.seconds) / result.count * 1e6,
    rate = result.count / result.seconds,
    median = result.median * 1e6,
    high = result.high * 1e6,
  }
end

-- Starts what is here; gives the running ones in their order, and why the others are missing.
local function start_all(client, folder, core)
  local running, missing = {}, {}
  for number, server in ipairs(servers.ALL) do
    local started, reason = servers.start(server, folder, number, core)
    if started then
      started.server = server
      running[#running + 1] = started
    else
      missing[server.name] = reason
    end
  end
  local before = {}
  for at, one in ipairs(running) do
    one.before = resident(one.process)
    before[at] = client.load_cpu(one.process)
  end
  moonport.step(IDLE)
  for at, one in ipairs(running) do
    one.idle = (client.load_cpu(one.process) - before[at]) / IDLE
  end
  return running, missing
end

local function cases_of(client, running, missing)
  local cases = {}
  for _, kind in ipairs(requests.KINDS) do
    for _, connections in ipairs(CONNECTIONS) do
      for _, one in ipairs(running) do
        if one.server.kinds[kind.serves] then
          local answer, reason = kind.body, nil
          if kind.serves == "http" then
            answer, reason = ask(client, kind, one.port)
          end
          missing[one.server.name] = missing[one.server.name] or reason
          cases[#cases + 1] = answer
              and { name = one.server.name, running = one, kind = kind, connections = connections, answer = answer }
            or nil
        end
      end
    end
  end
  return cases
end

local function find(cases, name, kind, connections)
  for _, case in ipairs(cases) do
    if case.name == name and case.kind == kind and case.connections == connections then
      return case
    end
  end
end

local function kind_table(cases, kind)
  local rows = {}
  for _, case in ipairs(cases) do
    if case.kind == kind then
      local cpu = rounds.of(case, "cpu")
      rows[#rows + 1] = {
        case.name,
        ("%d"):format(case.connections),
        cpu.median,
        { cpu.least, cpu.most },
        rounds.ratio(case, find(cases, "moonport", kind, case.connections), "cpu"),
        rounds.of(case, "rate").median,
        rounds.of(case, "median").median,
        rounds.of(case, "high").median,
      }
    end
  end
  return {
    title = kind.name,
    who = 1,
    columns = { "server", "connections", "CPU, µs", "spread", "times moonport's", "a second", "p50, µs", "p99, µs" },
    rows = rows,
    bar = 3,
  }
end

local function memory_table(running)
  local rows = {}
  for at, one in ipairs(running) do
    rows[at] = { one.server.name, one.before, one.after, one.idle * 1e3 }
  end
  return {
    title = "Resident memory and idle CPU",
    columns = { "server", "MiB when started", "MiB after all", "CPU while idle, ms/s" },
    rows = rows,
    bar = 3,
  }
end

local function goals_of(cases, missing)
  local goals = {}
  local function times(kind, name, limit)
    local own, base = find(cases, "moonport", kind, 64), find(cases, name, kind, 64)
    goals[#goals + 1] = {
      what = ("%s, 64 connections: CPU, times %s"):format(kind.name, name),
      value = own and base and rounds.ratio(own, base, "cpu"),
      at = "most",
      limit = limit,
      missing = missing[name] or "it failed",
    }
  end
  times(requests.KINDS[2], "nginx + lua", 1.1)
  times(requests.KINDS[2], "Node", 0.6)
  times(requests.KINDS[4], "bare tungstenite", 1.6)
  return goals
end

local function notes_of(cases, cores)
  local notes = {
    ("Medians of %d rounds in which all take turns, %.1f s each after %.1f s of warming up;"):format(
      rounds.COUNT,
      SECONDS,
      WARM_UP
    ) .. " a ratio is the median of the rounds' ratios.",
    ("Every server is a process on core %d, the client a thread on core %d; each connection asks again when it has its answer."):format(
      cores[1],
      cores[2] or cores[1]
    ),
    "CPU: user and system time of all threads of the server's process, as the kernel accounts for it, less what it takes idle.",
    "POST: the body is decoded to values of the server's language, and these are encoded for the answer. Every answer's status and",
    "length is checked, every echo's bytes; one answer of each server is compared with what was sent.",
    "Moonport checks Host, Origin, framing and sizes, as it always does; no server has a token. nginx: one process, cjson decoded",
    "and encoded; bare hyper: serde_json's Value; luv: a few lines by hand, which serve this client and no other.",
  }
  for _, case in ipairs(cases) do
    notes[#notes + 1] = case.failed and ("%s failed: %s"):format(case.name, case.failed) or nil
  end
  return notes
end

local function list_of(missing)
  local list = {}
  for _, server in ipairs(servers.ALL) do
    local reason = missing[server.name]
    list[#list + 1] = reason and { name = server.name, reason = reason } or nil
  end
  return list
end

local function run(client, running, missing, cores, progress)
  local cases = cases_of(client, running, missing)
  local able = rounds.run(cases, function(case)
    return measure(client, case, cores[2] or cores[1])
  end, progress)
  for _, one in ipairs(running) do
    one.after = resident(one.process)
  end
  local tables = {}
  for at, kind in ipairs(requests.KINDS) do
    tables[at] = kind_table(able, kind)
  end
  tables[#tables + 1] = memory_table(running)
  return {
    title = "HTTP: servers that do the same work",
    tables = tables,
    goals = goals_of(able, missing),
    notes = notes_of(cases, cores),
    missing = list_of(missing),
  }
end

function http.run(folder, progress)
  local client = load_client(folder)
  local cores = machine.cores()
  local running, missing = start_all(client, folder, cores[1])
  local fine, result = pcall(run, client, running, missing, cores, progress)
  for _, one in ipairs(running) do
    one.stop()
  end
  return fine and result or error(result, 0)
end

return http
