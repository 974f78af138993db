#!lua flags=no-writes,allow-oom
-- retrying: which destinations the deliveries in `retry` have, for metrics.
-- KEYS: lanes. ARGV: base, rank of the first that is looked at, how many.
-- Replies {deliveries in `retry`, destination, deliveries, destination, deliveries, ...}.
local base, from, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local count = {}
for _, id in ipairs(redis.call('ZRANGE', base .. 'retry', from, from + most - 1)) do
  local destination = string.match(id, '[^:]*$')
  count[destination] = (count[destination] or 0) + 1
end
local replies = {redis.call('ZCARD', base .. 'retry')}
for destination, deliveries in pairs(count) do
  replies[#replies + 1] = destination
  replies[#replies + 1] = deliveries
end
return replies
