-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Scales of charts. A scale is a table:
--   place(value)    where it lies, from 0 to 1
--   ticks           values to mark
--   is_logarithmic

local axis = {}
-- Bars whose values are further apart than this could not be compared with the eye.
local TOO_FAR = 50

function axis.linear(most, count)
  local rough = most / count
  local power = 10 ^ math.floor(math.log10(rough))
  local step = power * 10
  for _, factor in ipairs({ 5, 2, 1 }) do
    step = factor * power >= rough and factor * power or step
  end
  local last = math.ceil(most / step - 1e-9)
  local ticks = {}
  for at = 0, last do
    ticks[at + 1] = at * step
  end
  return {
    ticks = ticks,
    place = function(value)
      return value / (last * step)
    end,
  }
end

-- Whole decades around the values; what is not above zero lies at the left end.
function axis.logarithmic(least, most, count)
  local first, last = math.floor(math.log10(least) + 1e-9), math.ceil(math.log10(most) - 1e-9)
  local ticks, each = {}, math.ceil((last - first) / count)
  for power = first, last, each do
    ticks[#ticks + 1] = 10 ^ power
  end
  return {
    ticks = ticks,
    is_logarithmic = true,
    place = function(value)
      local power = value > 0 and math.log10(value) or first
      return math.max(0, (power - first) / (last - first))
    end,
  }
end

-- The one that shows these values, none of them negative, with about so many marks; linear if that is wanted.
function axis.of(values, count, is_linear)
  local least, most = math.huge, 0
  for _, value in ipairs(values) do
    most = math.max(most, value)
    least = value > 0 and math.min(least, value) or least
  end
  if most == 0 then
    return axis.linear(1, count)
  elseif not is_linear and most / least > TOO_FAR then
    return axis.logarithmic(least, most, count)
  end
  return axis.linear(most, count)
end

return axis
