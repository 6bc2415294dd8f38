-- SPDX-License-Identifier: MIT OR Apache-2.0

local statistics = {}

-- The median of a list, and its least and greatest value.
function statistics.spread(list)
  local sorted = { unpack(list) }
  table.sort(sorted)
  local count = #sorted
  local low, high = math.floor((count + 1) / 2), math.ceil((count + 1) / 2)
  return { median = (sorted[low] + sorted[high]) / 2, least = sorted[1], most = sorted[count] }
end

-- The spread of fn over each element.
function statistics.of(list, fn)
  local values = {}
  for at, element in ipairs(list) do
    values[at] = fn(element)
  end
  return statistics.spread(values)
end

return statistics
