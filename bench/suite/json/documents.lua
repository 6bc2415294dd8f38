-- SPDX-License-Identifier: MIT OR Apache-2.0
-- The documents: six shapes in four sizes, the same ones each time.

local documents = {}

documents.SIZES = {
  { name = "200 B", bytes = 200 },
  { name = "4 KiB", bytes = 4 * 1024 },
  { name = "64 KiB", bytes = 64 * 1024 },
  { name = "1 MiB", bytes = 1024 * 1024 },
}

local WORDS = {
  "harbour", "north", "light", "of", "and", "window", "paper", "seven", "river", "slow", "a", "table", "is", "green",
  "signal", "over", "minute", "the", "copper", "under", "machine", "to", "letter", "in", "stone", "quiet", "field",
}
-- As they stand in a document.
local ACCENTS = { "naïve", "größer", "日本語", "мир", "😀", "\\u00e9t\\u00e9", "\\ud83d\\ude00", "“so”" }
local ESCAPES = { '\\"yes\\"', "line\\nline", "tab\\tab", "C:\\\\path", "a\\/b", "\\u0007" }

-- Numbers below a bound, from the minimal standard generator of Park and Miller with a fixed seed.
local function generator(seed)
  local state = seed
  return function(bound)
    state = state * 16807 % 2147483647
    return state % bound
  end
end

local function pick(random, list)
  return list[random(#list) + 1]
end

local function words(random, count)
  local out = {}
  for at = 1, count do
    out[at] = pick(random, WORDS)
  end
  return table.concat(out, " ")
end

local function record(random, at)
  return ('{"id":%d,"name":"%s","price":%d.%02d,"stock":%d,"active":%s,"group":"%s"}'):format(
    1000 + at,
    words(random, 1 + random(3)),
    random(500),
    random(100),
    random(10000),
    random(2) == 0 and "true" or "false",
    pick(random, WORDS)
  )
end

local function number(random)
  local kind = random(4)
  if kind == 0 then
    return ("%d"):format(random(1000))
  elseif kind == 1 then
    return ("%d"):format(random(2000000000) - 1000000000)
  elseif kind == 2 then
    return ("%d.%d"):format(random(100), random(1000))
  end
  return ("%.17g"):format((random(2000000000) - 1000000000) / 700000001)
end

-- Objects and arrays inside each other, with few scalars.
local function tree(random, depth)
  if depth == 0 then
    return pick(random, { "1", "true", "null", '"leaf"', "[]", "{}", "0.5" })
  end
  local parts = {}
  local object = random(2) == 0
  for at = 1, 2 + random(2) do
    local value = tree(random, depth - 1)
    parts[at] = object and ('"%s%d":%s'):format(pick(random, WORDS), at, value) or value
  end
  local inside = table.concat(parts, ",")
  return object and "{" .. inside .. "}" or "[" .. inside .. "]"
end

local function text(random)
  local out = {}
  for at = 1, 6 + random(20) do
    local kind = random(10)
    out[at] = kind == 0 and pick(random, ESCAPES) or kind < 4 and pick(random, ACCENTS) or pick(random, WORDS)
  end
  return '"' .. table.concat(out, " ") .. '"'
end

local function user(random)
  return (
    '{"id":%d%06d,"id_str":"%d","name":"%s","screen_name":"%s_%d","location":"","url":null,"verified":%s,'
    .. '"followers_count":%d,"friends_count":%d,"created_at":"Sun Aug %02d 05:59:39 +0000 2014","lang":"ja",'
    .. '"profile_image_url":"http:\\/\\/images.example\\/profile\\/%d\\/normal.jpeg","default_profile":false}'
  ):format(
    random(4000),
    random(1000000),
    random(1000000000),
    pick(random, ACCENTS),
    pick(random, WORDS),
    random(100),
    random(20) == 0 and "true" or "false",
    random(50000),
    random(5000),
    1 + random(28),
    random(1000000000)
  )
end

local function status(random)
  local body = text(random)
  return (
    '{\n  "created_at": "Sun Aug 31 00:29:%02d +0000 2014",\n  "id": 505874%06d,\n  "text": %s,\n  "truncated": false,\n'
    .. '  "in_reply_to_status_id": null,\n  "user": %s,\n  "geo": null,\n  "retweet_count": %d,\n  "favorite_count": %d,\n'
    .. '  "entities": {"hashtags": [], "urls": [], "user_mentions": [{"screen_name": "%s", "id": %d, "indices": [%d, %d]}]},\n'
    .. '  "favorited": false,\n  "lang": "ja"\n}'
  ):format(
    random(60),
    random(1000000),
    body,
    user(random),
    random(500),
    random(500),
    pick(random, WORDS),
    random(1000000000),
    random(10),
    10 + random(100)
  )
end

-- Each makes one item of a document's outermost array; `left` is how many bytes there still is room for.
local SHAPES = {
  { name = "records", item = record },
  { name = "numbers", item = number },
  {
    name = "nested",
    item = function(random, _, left)
      return tree(random, left < 4096 and 2 or 6)
    end,
  },
  {
    name = "long strings",
    item = function(random, _, left)
      return '"' .. words(random, left < 1024 and 15 or 200 + random(800)) .. '"'
    end,
  },
  { name = "text with escapes and UTF-8", item = text },
  {
    name = "like Twitter's",
    item = function(random, _, left)
      return left < 1024 and '{"text":' .. text(random) .. ',"retweeted":false,"geo":null,"count":7}' or status(random)
    end,
  },
}

-- An array of items up to so many bytes.
local function make(shape, bytes)
  local random = generator(20240229)
  local items, length = {}, 2
  repeat
    local item = shape.item(random, #items, bytes - length)
    items[#items + 1] = item
    length = length + #item + 1
  until length >= bytes
  return "[" .. table.concat(items, ",") .. "]"
end

-- Every document: its shape's and its size's name, and the text.
function documents.all()
  local all = {}
  for _, shape in ipairs(SHAPES) do
    for _, size in ipairs(documents.SIZES) do
      all[#all + 1] = { shape = shape.name, size = size.name, text = make(shape, size.bytes) }
    end
  end
  return all
end

return documents
