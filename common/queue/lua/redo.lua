#!lua
-- redo: queues one delivery again, and leaves its siblings alone.
-- KEYS: lanes. ARGV: base, delivery id, dead retention ms.
-- Replies {what became of it, its state} (lib_act).
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_ended.lua
--@include lib_delivery.lua
--@include lib_resend.lua
--@include lib_act.lua
local result, state = resend_one(ARGV[2], call('GET', base .. 'fences') or '0', tonumber(ARGV[3]))
write_tasks()
schedule_all()
return {result, state}
