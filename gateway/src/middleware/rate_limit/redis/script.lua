-- Takes a token from a bucket that all replicas share: the generic cell rate algorithm of `bucket.rs`, by this server's clock.
-- Times are in units of 1/64 ns. A double holds 53 bits, so a time is a pair: seconds, and the units beyond them.
--
-- KEYS[1]  the bucket: when it is full, and the interval that it was filled at
-- ARGV     the interval and the capacity (a pair each), the longest delay (units), when to forget the key (ms)
-- returns  1 or 0 (whether there was a token), and what is missing in the bucket then, a pair

local SECOND = 64000000000

local function pair(seconds, units)
  local carried = math.floor(units / SECOND)
  return seconds + carried, units - carried * SECOND
end

local function above(seconds, units, other_seconds, other_units)
  return seconds > other_seconds or (seconds == other_seconds and units > other_units)
end

local interval, interval_units = tonumber(ARGV[1]), tonumber(ARGV[2])
local capacity, capacity_units = tonumber(ARGV[3]), tonumber(ARGV[4])
local longest = tonumber(ARGV[5])

local time = redis.call('TIME')
local now, now_units = tonumber(time[1]), tonumber(time[2]) * 64000

local missing, missing_units = 0, 0
local stored = redis.call('GET', KEYS[1])
if stored then
  local full, full_units, before, before_units = string.match(stored, '^(%d+) (%d+) (%d+) (%d+)$')
  if full then
    missing, missing_units = pair(tonumber(full) - now, tonumber(full_units) - now_units)
    if missing < 0 then
      missing, missing_units = 0, 0
    end
    before, before_units = tonumber(before), tonumber(before_units)
    local most, most_units = pair(capacity, capacity_units + longest)
    if before ~= interval or before_units ~= interval_units then
      -- Filled at another rate: as many tokens are missing.
      local ratio = (interval * SECOND + interval_units) / (before * SECOND + before_units)
      local all = math.ceil((missing * SECOND + missing_units) * ratio)
      missing_units = math.fmod(all, SECOND)
      missing = (all - missing_units) / SECOND
      most, most_units = capacity, capacity_units
    end
    -- More than this can be missing only if the clock went back, or the bucket is smaller now.
    if above(missing, missing_units, most, most_units) then
      missing, missing_units = most, most_units
    end
  end
end

local after, after_units = pair(missing + interval, missing_units + interval_units)
local wait, wait_units = pair(after - capacity, after_units - capacity_units)
if above(wait, wait_units, 0, longest) then
  return {0, missing, missing_units}
end
local full, full_units = pair(now + after, now_units + after_units)
local text = string.format('%.0f %.0f %.0f %.0f', full, full_units, interval, interval_units)
redis.call('SET', KEYS[1], text, 'PX', ARGV[6])
return {1, after, after_units}
