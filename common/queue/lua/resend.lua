#!lua
-- resend: queues every webhook of tasks again, at the tail of its lane, as it was accepted (delay, signing secret). A
-- delivery in `retry` goes now; in a fifo lane it goes before all others. Queued deliveries and deliveries in flight
-- stay as they are, unless they are in no list. Attempts go on counting.
-- KEYS: lanes. ARGV: base, account ('': everybody's), own (lib_view), dead retention ms, ids...
-- Replies a view (lib_view) per id, as it was before, of as many as it reaches: at least one (WORK_MAX in lib_view).
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_open.lua
--@include lib_view.lua
--@include lib_resend.lua
local account, own, dead_ms = ARGV[2], ARGV[3], tonumber(ARGV[4])
local PUSH_WORK = 20 -- commands for a delivery and its lane
local fences = call('GET', base .. 'fences') or '0'

-- A fetch that brought something, or was not needed, is not made again.
local function can_resend(d)
  return d.state == 'dead' or d.state == 'dropped' or d.state == 'retry' or d.state == 'done' and d.kind ~= 'fetch' or is_lost(d)
end

local function resend(t, d)
  work = work + PUSH_WORK
  if d.state == 'retry' or d.state == 'queued' or d.state == 'inflight' then
    hurry(d, fences)
  else
    queue_again(t.id, d, fences, dead_ms)
  end
end

local replies = {}
for i = 5, #ARGV do
  local t = find_task(ARGV[i], account, own)
  if t then
    judge_task(t)
    replies[#replies + 1] = view_reply(t)
    for _, d in ipairs(t.deliveries) do
      if can_resend(d) then resend(t, d) end
    end
  else
    replies[#replies + 1] = NOBODY
  end
  if work >= WORK_MAX or looks < 1 then break end
end
write_tasks()
schedule_all()
return replies
