#!lua
-- resend: queues every webhook of tasks again, at the tail of its lane, as it was accepted (delay, signing secret) and
-- with a full count of attempts. Deliveries that wait or are in flight are left alone.
-- KEYS: lanes. ARGV: base, account ('': everybody's), dead retention ms, ids...
-- Replies a view (lib_view) per id, as it was before, of as many as it reaches: at least one (WORK_MAX in lib_view).
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_view.lua
local account, dead_ms = ARGV[2], tonumber(ARGV[3])
local LOOK_MAX = 10000 -- at each end of a list of dead letters
local looks = 8 -- at such ends, in this call: each takes up to 0.2 ms
local PUSH_WORK = 20 -- commands for a delivery and its lane
local fences = call('GET', base .. 'fences') or '0'

-- Takes D out of the list of dead letters, if it is near one of its ends. Else it stays there until it is trimmed;
-- whoever reads the list sees by its state that it is not dead.
local function bury_no_more(d)
  local list = base .. 'dead:' .. d.destination
  for _, rank in ipairs({1, -1}) do
    if looks <= 0 then return end
    local length = call('LLEN', list)
    local at = call('LPOS', list, d.id, 'RANK', rank, 'MAXLEN', LOOK_MAX)
    local passed = at and (rank == 1 and at or length - at) or math.min(length, LOOK_MAX)
    looks = looks - passed / LOOK_MAX
    if at then
      looks = looks - passed / LOOK_MAX
      call('LREM', list, rank, d.id)
      return
    end
  end
end

-- A delivery waits again. The event must outlive it, and be kept as long as the others need it. `dead` counts anew.
local function hold_event(t, d)
  local key = base .. 'event:' .. t.id
  if d.fan and d.fan ~= '1' then
    local pending = base .. 'pending:' .. t.id
    local keep = math.max(call('PTTL', key), tonumber(call('HGET', pending, 'keep') or 0))
    call('HINCRBY', pending, 'n', 1)
    call('HSET', pending, 'dead', '0')
    if keep > 0 then call('HSET', pending, 'keep', text(keep)) end
  end
  call('PERSIST', key)
end

-- A fetch that brought something, or was not needed, is not made again.
local function can_resend(d)
  return d.state == 'dead' or d.state == 'done' and d.kind ~= 'fetch'
end

local function resend(t, d)
  work = work + PUSH_WORK
  if d.state == 'dead' then bury_no_more(d) end
  hold_event(t, d)
  call('PERSIST', d.key)
  call('PERSIST', base .. 'attempts:' .. d.id)
  if d.kind == 'fetch' then -- the task is open again
    count_open(nil, 1)
    uncount_failed(dead_ms)
    call('HSET', d.key, 'state', 'queued', 'attempts', '0', 'since', fences, 'fan', d.fan or '1')
  else
    call('HSET', d.key, 'state', 'queued', 'attempts', '0', 'apart', d.apart or 'resent', 'since', fences,
      'fan', d.fan or '1')
  end
  lane_push(lane_load(d.lane), d.id, d.delay_ms, 'RPUSH')
end

local replies = {}
for i = 4, #ARGV do
  local t = find_task(ARGV[i], account)
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
