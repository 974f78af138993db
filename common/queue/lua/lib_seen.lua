-- lib_seen: what scripts that only look count alike, for metrics and for operators. Needs `call` and `base`.

-- When the oldest delivery near the ends of QUEUE was accepted; '0' if it is empty. A delivery that must wait for its delay
-- goes to the tail, so the oldest is near one of the ends.
local ENDS = 3 -- deliveries that are looked at, at each end of a lane
local function oldest_of(queue)
  local oldest = '0'
  for _, range in ipairs({{0, ENDS - 1}, {-ENDS, -1}}) do
    for _, id in ipairs(call('LRANGE', queue, range[1], range[2])) do
      local at = call('HGET', base .. 'delivery:' .. id, 'accepted_at')
      if at and (oldest == '0' or tonumber(at) < tonumber(oldest)) then oldest = at end
    end
  end
  return oldest
end

-- The destination in a delivery's id. No name is so long, so the rest of a long id need not be looked at.
local NAME_BYTES = 80
local function destination_of(id) return string.match(string.sub(id, -NAME_BYTES), '^.*:(.*)$') or id end

-- Counts the deliveries of the sorted set SET by destination, from rank FROM on and at most MOST. Also returns one
-- delivery of each destination.
local function by_destination(set, from, most)
  local count, one = {}, {}
  for _, id in ipairs(call('ZRANGE', base .. set, from, from + most - 1)) do
    local destination = destination_of(id)
    count[destination] = (count[destination] or 0) + 1
    one[destination] = id
  end
  return count, one
end

-- An origin as `origins:<lane>` has it: failures in a row, until when (ms), fence of its probe, whether it asked to wait.
local CIRCUIT_FAILS = 5
local function read_origin(written)
  local fails, till, probe, told = string.match(written, '^(%d+) (%d+) %d+ (%d+) (%d)')
  return tonumber(fails or 0), till or '0', probe ~= '0', told == '1'
end
