#!lua flags=no-writes,allow-oom
-- stats: depth and age of lanes, and dead letters.
-- KEYS: lanes. ARGV: base, number of lanes, lane..., destination...
-- Replies {depth, received_at of the head (0 if empty), ...} for the lanes, then dead letters each.
local base, n = ARGV[1], tonumber(ARGV[2])
local reply = {}
for i = 3, 2 + n do
  local queue = base .. 'queue:' .. ARGV[i]
  reply[#reply + 1] = redis.call('LLEN', queue)
  local id = redis.call('LINDEX', queue, 0)
  local at = id and redis.call('HGET', base .. 'delivery:' .. id, 'accepted_at')
  reply[#reply + 1] = at or '0'
end
for i = 3 + n, #ARGV do
  reply[#reply + 1] = redis.call('LLEN', base .. 'dead:' .. ARGV[i])
end
return reply
