#!lua flags=allow-oom
-- sent: reports that requests have left. Their lanes' delays count from these moments.
-- KEYS: lanes. ARGV: base, the dispatcher's clock now (us), then (delivery id, lane, fence, that clock when the request
-- left)... Replies as claim's wait_us.
--@include lib_lane.lua
local clock = tonumber(ARGV[2])
for i = 3, #ARGV, 4 do
  local key, fence = base .. 'delivery:' .. ARGV[i], tonumber(ARGV[i + 2])
  local lane = lane_load(ARGV[i + 1])
  local claim = call('HMGET', key, 'fence', 'sent', 'state')
  -- If the lease ran out, or a result came first, the claim no longer counts in `open`.
  if tonumber(claim[1] or 0) == fence and tonumber(claim[2] or 0) ~= fence and claim[3] == 'inflight' then
    call('HSET', key, 'sent', ARGV[i + 2])
    if fence > lane.stale then
      local at = now - math.max(0, clock - tonumber(ARGV[i + 3])) -- not before it left: the report took its time too
      if at > lane.sent then lane.sent = at end
      if lane.open > 0 then lane.open = lane.open - 1 end
      if lane.holder == fence then lane.holder = 0 end
    end
  end
end
schedule_all()
return until_due({})
