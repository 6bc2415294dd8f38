-- SPDX-License-Identifier: MIT OR Apache-2.0
-- JSON to Lua tables and back: moonport.json beside the other libraries for it, in one LuaJIT.

local codecs = require("json.codecs")
local documents = require("json.documents")
local machine = require("machine")
local moonport = require("moonport")
local rounds = require("rounds")

-- Seconds that a sample takes, about.
local SAMPLE = 0.04
local LIMITS = { decode = 0.6, encode = 0.8 }
-- The sizes that have a goal.
local JUDGED = { ["200 B"] = true, ["64 KiB"] = true }

local json = {}

-- The same value in tables as a program makes them, of which nobody has said how large they will be.
local function rebuilt(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = rebuilt(item)
  end
  return copy
end

local function same(one, other)
  if type(one) ~= "table" or type(other) ~= "table" then
    -- Some keep 14 digits.
    return one == other or type(one) == "number" and type(other) == "number" and math.abs(one - other) <= 1e-13 * math.abs(one)
  end
  for key, item in pairs(one) do
    if not same(item, other[key]) then
      return false
    end
  end
  for key in pairs(other) do
    if one[key] == nil then
      return false
    end
  end
  return true
end

-- Does the codec read the document as it is meant, and is what it writes of the value that same value?
local function check(codec, document)
  local decoded = codec.decode(document.text)
  assert(same(decoded, document.value), codec.name .. " reads another value")
  local written = codec.encode(document.value)
  assert(same(moonport.json.decode(written), document.value), codec.name .. " writes another value")
end

local function times(call, argument, count)
  for _ = 1, count do
    call(argument)
  end
end

-- The CPU of so many calls, with what collecting their garbage takes: all that is left of it is collected at the end.
local function spent(case, count)
  return machine.measure(function()
    times(case.call, case.argument, count)
    collectgarbage()
  end).thread
end

-- How many calls a sample has, found by doubling, which warms up as well.
local function calibrate(case)
  local count = 1
  local taken = spent(case, count)
  while taken < SAMPLE / 2 do
    count = count * 2
    taken = spent(case, count)
  end
  case.count = math.ceil(count * SAMPLE / taken)
end

local function measure(case)
  return { cpu = spent(case, case.count) / case.count * 1e6 }
end

-- One document at a time, and its value is let go of then: the collector's work grows with all that is alive.
local function run_document(document, all, progress)
  document.value = rebuilt(moonport.json.decode(document.text))
  document.cases = { decode = {}, encode = {} }
  local cases = {}
  for _, codec in ipairs(all) do
    check(codec, document)
    for way, named in pairs(document.cases) do
      local argument = way == "decode" and document.text or document.value
      local case = { call = codec[way], argument = argument }
      calibrate(case)
      cases[#cases + 1] = case
      named[codec.name] = case
    end
  end
  rounds.run(cases, measure, function(round)
    progress(("%s, %s: %s"):format(document.shape, document.size, round))
  end)
  document.value = nil
  for _, case in ipairs(cases) do
    case.argument = nil
  end
end

local function ratio(document, way, name)
  local case, base = document.cases[way][name], document.cases[way]["lua-cjson"]
  return case and base and rounds.ratio(case, base, "cpu")
end

local function table_of(way, title, every)
  local rows = {}
  for _, document in ipairs(every) do
    for _, name in ipairs(codecs.NAMES) do
      local case = document.cases[way][name]
      if case then
        local cpu = rounds.of(case, "cpu")
        rows[#rows + 1] = {
          document.shape,
          document.size,
          name,
          cpu.median,
          { cpu.least, cpu.most },
          #document.text / cpu.median,
          ratio(document, way, name) or "",
        }
      end
    end
  end
  return {
    title = title,
    columns = { "document", "size", "codec", "CPU, µs", "spread", "MB/s", "times lua-cjson" },
    rows = rows,
    bar = 6,
  }
end

local function goals_of(every, missing)
  local goals = {}
  for _, way in ipairs({ "decode", "encode" }) do
    for _, document in ipairs(every) do
      if JUDGED[document.size] then
        goals[#goals + 1] = {
          what = ("%s %s of %s: CPU, times lua-cjson"):format(way, document.size, document.shape),
          value = ratio(document, way, "moonport"),
          at = "most",
          limit = LIMITS[way],
          missing = missing["lua-cjson"],
        }
      end
    end
  end
  return goals
end

local function notes()
  return {
    ("Medians of %d rounds in which the contestants take turns;"):format(rounds.COUNT)
      .. " a ratio is the median of the rounds' ratios.",
    "The CPU is that of one call, garbage collection counted in: each sample begins without garbage, and ends when its own is",
    "collected. The documents are made here, from a fixed seed. All encode the very same tables, which were made key by key.",
    "Before that each contestant has read every document, and written a value equal to it. lua-cjson and dkjson write 14 digits",
    "of a number, Moonport as many as it takes to read the same number. dkjson decodes by LPeg where that is installed.",
  }
end

local function list_of(missing)
  local list = {}
  for _, name in ipairs(codecs.NAMES) do
    list[#list + 1] = missing[name] and { name = name, reason = missing[name] } or nil
  end
  return list
end

function json.run(_, progress)
  local every = documents.all()
  local all, missing = codecs.gather()
  for _, document in ipairs(every) do
    run_document(document, all, progress)
  end
  return {
    title = "JSON to Lua tables and back",
    tables = { table_of("decode", "Decoding", every), table_of("encode", "Encoding", every) },
    goals = goals_of(every, missing),
    notes = notes(),
    missing = list_of(missing),
  }
end

return json
