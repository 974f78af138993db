#!lua
-- requeue: a sender has repeated an event with many dead deliveries, and put has queued the first of them again. One step further.
-- KEYS: lanes. ARGV: base, done ms, the event's key, how many of its destinations earlier calls have passed.
-- Replies {how many it has queued, how many destinations are passed now (0: nothing is left)}.
--@include lib_lane.lua
--@include lib_tasks.lua
--@include lib_record.lua
--@include lib_resend.lua
--@include lib_repeat.lua
looks = 4
local n, reached = queue_dead(ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[2]))
write_tasks()
wake()
return {n, reached or 0}
