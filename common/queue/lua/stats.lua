#!lua flags=no-writes,allow-oom
-- stats: what lanes and destinations hold, for metrics.
-- KEYS: lanes. ARGV: base, number of lanes, lane..., destination...
-- Replies for each of as many lanes as it reaches, at least one: {depth, when the oldest was accepted (0 if it is empty), 1 if an
-- operator has stopped it, {destination, its origins whose circuit is open, ...}}; then for each destination {dead letters, deliveries
-- in flight}, unless the lanes were work enough.
local WORK_MAX = 700 -- commands of one call: 50 lanes and their destinations take 650
local LANE_WORK, DESTINATION_WORK, ORIGIN_WORK = 11, 2, 1 / 3
local base, n = ARGV[1], tonumber(ARGV[2])
local call = redis.call
--@include lib_seen.lua

-- Counts the origins of each destination on LANE that have an open circuit. The lane has so many ORIGINS.
local function open_circuits(lane, origins)
  local open, list = {}, {}
  if origins == 0 then return list end
  local all = call('HGETALL', base .. 'origins:' .. lane)
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

local replies, work = {}, 0
for i = 3, 2 + n do
  local lane = ARGV[i]
  local origins = call('HLEN', base .. 'origins:' .. lane)
  local lane_work = LANE_WORK + origins * ORIGIN_WORK
  if i > 3 and work + lane_work > WORK_MAX then return replies end
  work = work + lane_work
  local depth = call('LLEN', base .. 'queue:' .. lane)
  replies[#replies + 1] = {depth, depth > 0 and oldest_of(base .. 'queue:' .. lane) or '0',
    call('HEXISTS', base .. 'paused', lane), open_circuits(lane, origins)}
end
if n > 0 and work + (#ARGV - 2 - n) * DESTINATION_WORK > WORK_MAX then return replies end
for i = 3 + n, #ARGV do
  replies[#replies + 1] = {call('LLEN', base .. 'dead:' .. ARGV[i]), call('HGET', base .. 'busy', ARGV[i]) or '0'}
end
return replies
