-- lib_delivery: how a claimed delivery leaves `inflight`. Shared by claim (expired leases) and settle.

-- Few deliveries have siblings, were resent, or are guests. All of these have the field `fan`; only then is this read.
local function delivery_read_rare(d, fan)
  if not fan then return end
  local v = call('HMGET', d.key, 'apart', 'since')
  d.fan, d.apart, d.since = fan ~= '1', v[1], v[2]
end

-- The delivery as a table of texts (false if a field is not set), or nil if there is none.
local function delivery_load(id)
  local key = base .. 'delivery:' .. id
  local v = call('HMGET', key, 'state', 'fence', 'sent', 'lane', 'destination', 'attempts', 'delay_ms', 'fan', 'kind', 'account')
  if not v[1] then return nil end
  local d = {id = id, key = key, change = {}, state = v[1], fence = v[2], sent = v[3], lane = v[4], destination = v[5],
    attempts = v[6], delay_ms = v[7], kind = v[9], account = v[10] or nil}
  delivery_read_rare(d, v[8])
  return d
end

-- Fields to write; delivery_save writes them all at once.
local function delivery_set(d, field, value)
  local change = d.change
  local n = #change
  change[n + 1], change[n + 2] = field, value
end

local function delivery_save(d)
  call('HSET', d.key, unpack(d.change))
end

local ended, freed = {}, {} -- claims that ended in this call: ids, and how many per destination

local function write_ended()
  if #ended > 0 then call('ZREM', base .. 'inflight', unpack(ended)) end
  for destination, n in pairs(freed) do
    if call('HINCRBY', base .. 'busy', destination, -n) <= 0 then
      call('HDEL', base .. 'busy', destination)
    end
  end
  ended, freed = {}, {}
end

-- The part of an ended claim in its lane's clock. SENT: the fence whose send was reported, or false.
local function unclaim_from(lane, id, written_fence, sent, left)
  local fence = tonumber(written_fence)
  if sent ~= written_fence and fence > lane.stale then
    if lane.open > 0 then lane.open = lane.open - 1 end
    if left then lane.sent = now end
  end
  if lane.holder == fence then lane.holder = 0 end
  if lane.hold == id then lane.hold, lane.hold_until = '', 0 end
  if lane.probe == fence then lane.probe = 0 end
  lane.parked = 0
end

-- Ends the claim: its lease, its place at the destination, and its part in the lane's clock. write_ended completes it. LEFT:
-- the request left, or may have left and nobody will report it any more.
local function unclaim(d, left)
  ended[#ended + 1] = d.id
  freed[d.destination] = (freed[d.destination] or 0) + 1
  local lane = lane_load(d.lane)
  unclaim_from(lane, d.id, d.fence, d.sent, left)
  return lane
end

-- Queues it again: at the tail, but at the head of a fifo lane.
local function requeue(d, lane, side)
  delivery_set(d, 'state', 'queued')
  lane_push(lane, d.id, tonumber(d.delay_ms), side or (lane.order == 'fifo' and 'LPUSH' or 'RPUSH'))
end

-- Repeats of an event are known for DEDUP_MS, even if the event is kept for less (KEEP_MS from now).
local function keep_known(event, keep_ms, dedup_ms)
  if keep_ms >= dedup_ms then return end
  local head = call('GETRANGE', base .. 'event:' .. event, 0, 511)
  local name, received = identity(string.match(head, '^[^\n]*\ni ([^\n]*)\n') or event, head)
  local left = received and tonumber(received) + dedup_ms - now_ms or 0
  if left > 0 then call('SET', dedup_key(name), received .. ' ' .. event, 'PX', text(left)) end
end

-- One of several deliveries has ended. Returns how long the event is kept, nil while others have not ended; whether this ends
-- the task; and GOT and DEAD of all its deliveries together, since it was accepted or last resent.
local function end_one_of(d, event, keep_ms, got, dead)
  local key = base .. 'pending:' .. event
  local v = call('HMGET', key, 'keep', 'got', 'dead')
  keep_ms = math.max(keep_ms, tonumber(v[1] or 0))
  got, dead = got or v[2] == '1', dead or v[3] == '1'
  local left = call('HINCRBY', key, 'n', -1)
  local done = not d.apart and call('HINCRBY', key, 'first', -1) == 0
  if left == 0 then
    call('DEL', key)
    return keep_ms, done, got, dead
  end
  call('HSET', key, 'keep', keep_ms, 'got', got and '1' or '0', 'dead', dead and '1' or '0')
  return nil, done, got, dead
end

-- A resent delivery has ended. The task was done before. KEPT is set if no other delivery of the event is pending.
local function end_resent(d, event, kept, keep_ms, got, dead)
  local has_body, path = event_facts(event)
  if got or kept and not dead and not has_body then
    fetch_task(event, d.account, path, keep_ms)
  elseif dead or kept then
    relist_task(dead and 'failed' or 'ready', d.account, path, event, keep_ms)
  end
end

-- The event stays as long as its longest kept delivery. GOT: D was a postback that arrived.
local function release_event(d, keep_ms, dedup_ms, got, dead)
  local event = string.sub(d.id, 1, -2 - #d.destination)
  local done, kept = not d.apart, keep_ms
  if d.fan then
    kept, done, got, dead = end_one_of(d, event, keep_ms, got, dead)
  end
  if done then
    end_task(event, d.account, got, dead, kept or keep_ms)
  elseif d.apart == 'resent' then
    end_resent(d, event, kept, keep_ms, got, dead)
  end
  if kept then
    call('PEXPIRE', base .. 'event:' .. event, text(kept))
    keep_known(event, kept, dedup_ms)
  end
end

-- The fetch of an announced result is over. If a fetch brought the result, the task is counted on as that event. Else
-- the result is here by other means, or cannot be had.
local function end_fetch(d, verdict, keep_ms)
  if verdict == 'fetched' then return end
  local v = call('HMGET', d.key, 'source', 'task')
  if v[1] and call('EXISTS', fetched_key(v[1], v[2])) == 1 then return end
  count_open(nil, -1)
  if verdict == 'dead' then count_hour(nil, 'failed', keep_ms) end
end

-- Ends the delivery with STATE done or dead. Both expire with their retention. VERDICT is settle's.
local function finish(d, state, keep_ms, dedup_ms, verdict)
  delivery_set(d, 'state', state)
  delivery_set(d, 'ended_at', now_text)
  call('PEXPIRE', d.key, text(keep_ms + afterglow(keep_ms)))
  if d.listed or d.attempts ~= '1' or d.since then call('PEXPIRE', base .. 'attempts:' .. d.id, text(keep_ms)) end
  if state == 'dead' then
    call('LPUSH', base .. 'dead:' .. d.destination, d.id)
    call('ZADD', base .. 'deads', 'NX', now_ms + keep_ms, d.destination)
  end
  if d.kind == 'fetch' then
    local event = string.sub(d.id, 1, -2 - #d.destination)
    end_fetch(d, verdict, keep_ms)
    call('PEXPIRE', base .. 'event:' .. event, text(keep_ms))
    keep_known(event, keep_ms, dedup_ms)
  else
    release_event(d, keep_ms, dedup_ms, verdict == 'done' and d.kind == 'postback', state == 'dead')
  end
end
