#!lua flags=allow-oom
-- drop: ends one delivery without sending it, and leaves its siblings alone.
-- KEYS: lanes. ARGV: base, delivery id, dead retention ms, dedup ms, how many deliveries it looks at, at each end of a queue (1,000
-- take about 20 us).
-- Replies {what became of it, its state} (lib_act).
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_ended.lua
--@include lib_delivery.lua
--@include lib_resend.lua
--@include lib_act.lua
local result, state = drop_one(ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
write_tasks()
schedule_all()
return {result, state}
