-- lib_act: what operators do to one delivery. Needs lib_lane, lib_record, lib_tasks, lib_delivery and lib_resend.
-- Both acts return a result and the state that the delivery then has ('' if it is unknown). Results: done, unknown
-- (there is no such delivery), refused (its state forbids the act) or no_event (its event's record is gone).

-- --- resend ---

-- Only D of its event's deliveries is sent again. Others may still be dead or dropped, and the task then counts as failed.
local function note_dead_siblings(event, d)
  if not d.fan or d.fan == '1' or d.kind == 'fetch' then return end
  local head = call('GETRANGE', EVENT .. event, 0, 8191) -- the destinations end before this byte (record.c)
  for name in string.gmatch(string.match(head, '\no ([^\n]*)\n') or '', '%S+') do
    local state = name ~= d.destination and call('HGET', DELIVERY .. event .. ':' .. name, 'state')
    if state == 'dead' or state == 'dropped' then
      call('HSET', base .. 'pending:' .. event, 'dead', '1')
      return
    end
  end
end

-- A fetch that brought something, or was not needed, is not made again.
local function may_resend(d)
  return d.state == 'dead' or d.state == 'dropped' or d.state == 'retry' or d.state == 'done' and d.kind ~= 'fetch' or is_lost(d)
end

-- Queues delivery ID again, as it was accepted. A delivery that waits for a retry goes now. FENCES, DEAD_MS: as for
-- queue_again.
local function resend_one(id, fences, dead_ms)
  local key = DELIVERY .. id
  local v = call('HMGET', key, 'state', 'apart', 'lane', 'delay_ms', 'fan', 'kind', 'destination', 'account')
  if not v[1] then return 'unknown', '' end
  local d = {id = id, key = key, state = v[1], apart = v[2], lane = v[3], delay_ms = tonumber(v[4]), fan = v[5], kind = v[6],
    destination = v[7], account = v[8] or nil}
  if not may_resend(d) then return 'refused', d.state end
  local event = string.sub(id, 1, -2 - #d.destination)
  if call('EXISTS', EVENT .. event) == 0 then return 'no_event', d.state end
  if d.state == 'retry' or d.state == 'queued' or d.state == 'inflight' then
    hurry(d, fences)
  else
    queue_again(event, d, fences, dead_ms)
    note_dead_siblings(event, d)
  end
  return 'done', 'queued'
end

-- --- drop ---

-- Takes D off its queue, if it is among the MOST first or last there (of long ids fewer). Returns whether it did.
local function leave_queue(d, most)
  local lane = lane_load(d.lane)
  local looks_at = math.floor(most / weight_of(lane.queue, d.id))
  for _, rank in ipairs({-1, 1}) do
    if looks_at > 0 and call('LPOS', lane.queue, d.id, 'RANK', rank, 'MAXLEN', looks_at) then
      call('LREM', lane.queue, rank, d.id)
      lane_count(lane, tonumber(d.delay_ms), -1)
      return true
    end
  end
  return false
end

local function leave_retry(d)
  local lane = lane_load(d.lane)
  call('ZREM', base .. 'retry', d.id)
  if lane.hold == d.id then lane.hold, lane.hold_until = '', 0 end
end

-- It was over already, and its task knows that.
local function drop_dead(d)
  bury_no_more(d)
  call('HSET', d.key, 'state', 'dropped', 'ended_at', now_text)
end

-- Ends delivery ID without sending it. Deep in its queue it keeps its place (`in_queue`), and claim passes over it. Deep: not
-- among the MOST first or last.
local function drop_one(id, dead_ms, dedup_ms, most)
  local d = delivery_load(id)
  if not d then return 'unknown', '' end
  if d.state == 'dead' then
    drop_dead(d)
    return 'done', 'dropped'
  end
  local stays = false
  if d.state == 'retry' then
    leave_retry(d)
  elseif d.state == 'queued' then
    stays = not leave_queue(d, most)
  else
    return 'refused', d.state
  end
  finish(d, 'dropped', dead_ms, dedup_ms, 'dead')
  if stays then delivery_set(d, 'in_queue', '1') end
  delivery_save(d)
  if stays then call('PERSIST', d.key) end
  return 'done', 'dropped'
end
