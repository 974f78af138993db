-- lib_resend: queues a delivery again that is over. Needs lib_lane and lib_tasks. Shared by resend (what the API asks for) and put (the
-- sender repeats an event).
-- D is a table: id, key, destination, state, apart, lane, delay_ms (a number), fan, kind, account (of a task).
--@include lib_weight.lua
local LOOK_MAX = 10000 -- at each end of a list of dead letters; of long ids fewer
local first_end = 1 -- of such a list, where a delivery is looked for first: 1 the newest, -1 the oldest
local looks = 8 -- at such ends, in this call: each takes up to 0.2 ms

-- Is ID in the LIST of a lane? True too if that cannot be told: the list is longer than two looks, or there were too many looks.
local function is_queued(list, id)
  local most = math.floor(LOOK_MAX / weight_of(list, id))
  for _, rank in ipairs({1, -1}) do
    if looks <= 0 then return true end
    if call('LPOS', list, id, 'RANK', rank, 'MAXLEN', most) then return true end
    local length = call('LLEN', list)
    looks = looks - math.min(length, most) / most
    if length <= most then return false end
    if rank == -1 then return length > 2 * most end
  end
end

-- D is in no list although its state says so: somebody took it out, or deleted the list.
local function is_lost(d)
  if d.state == 'queued' then return not is_queued(QUEUE .. d.lane, d.id) end
  return d.state == 'inflight' and not call('ZSCORE', base .. 'inflight', d.id)
end

-- Takes D out of the list of dead letters, if it is near one of its ends. Else it stays there until it is trimmed;
-- whoever reads the list sees by its state that it is not dead.
local function bury_no_more(d)
  call('ZREM', base .. 'deaths', d.id)
  local list = base .. 'dead:' .. d.destination
  local most = math.floor(LOOK_MAX / weight_of(list, d.id))
  for _, rank in ipairs({first_end, -first_end}) do
    if looks <= 0 then return end
    local length = call('LLEN', list)
    local at = call('LPOS', list, d.id, 'RANK', rank, 'MAXLEN', most)
    local passed = at and (rank == 1 and at or length - at) or math.min(length, most)
    looks = looks - passed / most
    if at then
      looks = looks - passed / most
      call('LREM', list, rank, d.id)
      return
    end
  end
end

-- One of several deliveries waits again: the event must outlive it, and what was kept for the others. None is dead any more.
local function hold_event(event, d)
  local key = base .. 'event:' .. event
  if d.fan and d.fan ~= '1' then
    local pending = base .. 'pending:' .. event
    local keep = math.max(call('PTTL', key), tonumber(call('HGET', pending, 'keep') or 0))
    call('HINCRBY', pending, 'n', 1)
    call('HSET', pending, 'dead', '0')
    if keep > 0 then call('HSET', pending, 'keep', text(keep)) end
  end
  keep_event(event, d.account)
end

--@include lib_attempt.lua
-- D has arrived, perhaps with its first request.
local function list_first(d)
  local list, v = base .. 'attempts:' .. d.id, call('HMGET', d.key, 'attempts', 'ended_at', 'duration_ms', 'last_status', 'response')
  if v[1] ~= '1' or not (v[2] and v[3] and v[4]) or call('EXISTS', list) == 1 then return end
  call('LPUSH', list, attempt_record(v[2], v[3], v[4], v[5] or ''))
end

-- Queues D of EVENT at the tail of its lane, as it was accepted (delay, signing secret). FENCES: the last fence given out.
-- DEAD_MS: how long dead letters are kept.
local function queue_again(event, d, fences, dead_ms)
  if d.state == 'dead' then bury_no_more(d) end
  hold_event(event, d)
  call('PERSIST', d.key)
  if d.state == 'done' then list_first(d) end
  call('PERSIST', base .. 'attempts:' .. d.id)
  call('HSET', d.key, 'state', 'queued', 'since', fences, 'fan', d.fan or '1')
  call('HDEL', d.key, 'told')
  if d.kind == 'fetch' then
    if not has_result(d.key) then -- the task is announced again
      count_now(nil, 'announced', 1)
      uncount_failed(dead_ms)
    end
  else
    call('HSET', d.key, 'apart', d.apart or 'resent')
  end
  if d.state == 'dropped' and call('HDEL', d.key, 'in_queue') == 1 then return end -- its place in the queue is still there
  lane_push(lane_load(d.lane), d.id, d.delay_ms, 'RPUSH')
end

-- D waits for its retry no longer, or was lost. FENCES as for queue_again.
local function hurry(d, fences)
  local lane = lane_load(d.lane)
  call('ZREM', base .. 'retry', d.id)
  if lane.hold == d.id then lane.hold, lane.hold_until = '', 0 end
  call('HSET', d.key, 'state', 'queued', 'since', fences, 'fan', d.fan or '1')
  call('HDEL', d.key, 'told')
  lane_push(lane, d.id, d.delay_ms, lane.order == 'fifo' and 'LPUSH' or 'RPUSH')
end
