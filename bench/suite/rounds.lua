-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Measuring in rounds in which all cases take turns, so that what the machine does meanwhile meets them all. A case is a
-- table; its samples are one table of numbers for each round.

local statistics = require("statistics")

local rounds = {}

-- MOONPORT_ROUNDS is for a look, and for tests: the figures vary more.
rounds.COUNT = tonumber(os.getenv("MOONPORT_ROUNDS")) or 5

-- Takes COUNT samples of every case with measure(case), forth and back, so that none always comes first. Where that gives
-- nil and a reason the case has failed: it is left out of the list that is returned.
function rounds.run(cases, measure, progress)
  for _, case in ipairs(cases) do
    case.samples = {}
  end
  for round = 1, rounds.COUNT do
    progress(("round %d of %d"):format(round, rounds.COUNT))
    for at = 1, #cases do
      local case = cases[round % 2 == 1 and at or #cases + 1 - at]
      if not case.failed then
        case.samples[round], case.failed = measure(case)
      end
    end
  end
  local able = {}
  for _, case in ipairs(cases) do
    able[#able + 1] = not case.failed and case or nil
  end
  return able
end

-- The spread of one field of the samples.
function rounds.of(case, field)
  return statistics.of(case.samples, function(sample)
    return sample[field]
  end)
end

-- The median, over the rounds, of how many times another case's value this one has.
function rounds.ratio(case, base, field)
  local ratios = {}
  for round, sample in ipairs(case.samples) do
    ratios[round] = sample[field] / base.samples[round][field]
  end
  return statistics.spread(ratios).median
end

-- A row for a table of throughput: what, who, million/s, their spread (a range), the owner's CPU and the process's.
function rounds.row(what, name, case)
  local rate = rounds.of(case, "rate")
  return {
    what,
    name,
    rate.median,
    { rate.least, rate.most },
    rounds.of(case, "owner").median,
    rounds.of(case, "process").median,
  }
end

-- What machine.measure gives for so many messages, as a sample: million/s and nanoseconds.
function rounds.sample(spent, count)
  return {
    rate = count / spent.wall / 1e6,
    owner = spent.thread / count * 1e9,
    process = spent.process / count * 1e9,
  }
end

return rounds
