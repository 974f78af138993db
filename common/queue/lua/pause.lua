#!lua flags=allow-oom
-- pause: stops a lane, or lets it go on. Deliveries in flight end as always, and what is accepted waits.
-- KEYS: lanes. ARGV: base, lane, 1 to stop it or 0 to let it go on.
-- Replies 1 if that changed something.
--@include lib_lane.lua
local name, stop = ARGV[2], ARGV[3] == '1'
local lane = lane_load(name)
local changed
if stop then
  changed = call('HSETNX', base .. 'paused', name, now_text)
else
  changed = call('HDEL', base .. 'paused', name)
  woken = name
end
lane.paused = stop and 1 or 0
schedule_all()
return changed
