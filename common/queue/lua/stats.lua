#!lua flags=no-writes,allow-oom
-- stats: what lanes and destinations hold, for metrics.
-- KEYS: lanes. ARGV: base, number of lanes, lane..., destination...
-- Replies for each lane {depth, when the oldest was accepted (0 if it is empty), 1 if an operator has stopped it, {destination,
-- its origins whose circuit is open, ...}}, then for each destination {dead letters, deliveries in flight}.
-- A delivery that must wait for its delay goes to the tail, so the oldest is near one of the ends.
local ENDS = 3 -- deliveries that are looked at, at each end of a lane
local CIRCUIT_FAILS = 5
local origins_left = 2000 -- that this call reads; lanes have up to 1,000
local base, n = ARGV[1], tonumber(ARGV[2])
local call = redis.call

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

-- How many origins of each destination on LANE have an open circuit.
local function open_circuits(lane)
  local key, open, list = base .. 'origins:' .. lane, {}, {}
  local count = call('HLEN', key)
  if count == 0 or count > origins_left then return list end
  origins_left = origins_left - count
  local all = call('HGETALL', key)
  for i = 1, #all, 2 do
    local destination, fails = string.match(all[i], '^[^/]*'), tonumber(string.match(all[i + 1], '^%d+') or 0)
    if fails >= CIRCUIT_FAILS then open[destination] = (open[destination] or 0) + 1 end
  end
  for destination, circuits in pairs(open) do
    list[#list + 1] = destination
    list[#list + 1] = circuits
  end
  return list
end

local replies = {}
for i = 3, 2 + n do
  local lane = ARGV[i]
  local depth = call('LLEN', base .. 'queue:' .. lane)
  replies[#replies + 1] = {depth, depth > 0 and oldest_of(base .. 'queue:' .. lane) or '0',
    call('HEXISTS', base .. 'paused', lane), open_circuits(lane)}
end
for i = 3 + n, #ARGV do
  replies[#replies + 1] = {call('LLEN', base .. 'dead:' .. ARGV[i]), call('HGET', base .. 'busy', ARGV[i]) or '0'}
end
return replies
