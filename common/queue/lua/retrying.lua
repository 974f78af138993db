#!lua flags=no-writes,allow-oom
-- retrying: which destinations the deliveries in `retry` have, for metrics.
-- KEYS: lanes. ARGV: base, rank of the first that is looked at, how many.
-- Replies {deliveries in `retry`, destination, deliveries, destination, deliveries, ...}.
local call, base = redis.call, ARGV[1]
--@include lib_seen.lua
local replies = {call('ZCARD', base .. 'retry')}
for destination, deliveries in pairs(by_destination('retry', tonumber(ARGV[2]), tonumber(ARGV[3]))) do
  replies[#replies + 1] = destination
  replies[#replies + 1] = deliveries
end
return replies
