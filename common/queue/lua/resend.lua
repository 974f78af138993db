#!lua
-- resend: queues every webhook of tasks again, at the tail of its lane, as it was accepted (delay, signing secret). A
-- delivery in `retry` goes now; in a fifo lane it goes before all others. Queued deliveries and deliveries in flight
-- stay as they are, unless they are in no list. Attempts go on counting.
-- KEYS: lanes. ARGV: base, account ('': everybody's), own (lib_view), dead retention ms, how many webhooks of the first task
-- earlier calls have looked at, ids...
-- Replies a view (lib_view) per id, as it was before, of as many as it reaches: at least one (WORK_MAX in lib_view). The view of a
-- task that is not finished is the last one. It has one element more: how many of its webhooks this call and earlier ones have
-- looked at, at least one more than before. The receiver asks again for that task, and for those that have no view.
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

local function is_enough() return work >= WORK_MAX or looks < 1 end

-- Resends what follows the first PASSED webhooks of T. Returns how many it has looked at, if more are left.
local function resend_after(t, passed)
  for _, d in ipairs(t.deliveries) do
    if d.place > passed then
      if can_resend(d) then resend(t, d) end
      if is_enough() and d.place < #t.to then return d.place end
    end
  end
end

local replies, passed = {}, tonumber(ARGV[5])
for i = 6, #ARGV do
  local t = find_task(ARGV[i], account, own)
  local view = NOBODY
  if t then
    judge_task(t)
    view = view_reply(t)
    view[8] = resend_after(t, passed)
  end
  replies[#replies + 1] = view
  passed = 0
  if is_enough() then break end
end
write_tasks()
schedule_all()
return replies
