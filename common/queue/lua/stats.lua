#!lua flags=no-writes,allow-oom
-- stats: what lanes and destinations hold, for metrics.
-- KEYS: lanes. ARGV: base, number of lanes, lane..., destination...
-- Replies for each lane {depth, when the oldest was accepted (0 if it is empty), 1 if an operator has stopped it, {destination,
-- its origins whose circuit is open, ...}}, then for each destination {dead letters, deliveries in flight}.
local origins_left = 2000 -- that this call reads; lanes have up to 1,000
local base, n = ARGV[1], tonumber(ARGV[2])
local call = redis.call
--@include lib_seen.lua

-- Counts the origins of each destination on LANE that have an open circuit.
local function open_circuits(lane)
  local key, open, list = base .. 'origins:' .. lane, {}, {}
  local count = call('HLEN', key)
  if count == 0 or count > origins_left then return list end
  origins_left = origins_left - count
  local all = call('HGETALL', key)
  for i = 1, #all, 2 do
    if tonumber(string.match(all[i + 1], '^%d+') or 0) >= CIRCUIT_FAILS then
      local destination = string.match(all[i], '^[^/]*')
      open[destination] = (open[destination] or 0) + 1
    end
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
