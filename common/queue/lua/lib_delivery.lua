-- lib_delivery: how a claimed delivery leaves `inflight`. Shared by claim (expired leases) and settle.

-- Few deliveries have siblings, were resent, have an origin that asked to wait, or are guests. All of these have the
-- field `fan`; the script reads the rare fields only of them.
local function delivery_read_rare(d, fan)
  if not fan then return end
  local v = call('HMGET', d.key, 'apart', 'since', 'told')
  d.fan, d.apart, d.since, d.told = fan ~= '1', v[1], v[2], v[3]
end

-- The delivery as a table of texts (false if a field is not set), or nil if there is none.
local function delivery_load(id)
  local key = base .. 'delivery:' .. id
  local v = call('HMGET', key, 'state', 'fence', 'sent', 'lane', 'destination', 'attempts', 'delay_ms', 'fan', 'kind', 'account',
    'origin')
  if not v[1] then return nil end
  local d = {id = id, key = key, change = {}, state = v[1], fence = v[2], sent = v[3], lane = v[4], destination = v[5],
    attempts = v[6], delay_ms = v[7], kind = v[9], account = v[10] or nil, origin = v[11] or nil}
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

-- Ends the claim: its lease, its place at the destination, and its part in the lane's clock. write_ended completes it. LEFT:
-- the request left, or may have left and nobody will report it any more.
local function unclaim(d, left)
  ended[#ended + 1] = d.id
  freed[d.destination] = (freed[d.destination] or 0) + 1
  if d.origin then free_share(d.destination, d.origin, 1) end
  local lane = lane_load(d.lane)
  unclaim_from(lane, d.id, d.fence, d.sent, left)
  return lane
end

-- Queues it again: at the tail, but at the head of a fifo lane.
local function requeue(d, lane, side)
  delivery_set(d, 'state', 'queued')
  lane_push(lane, d.id, tonumber(d.delay_ms), side or (lane.order == 'fifo' and 'LPUSH' or 'RPUSH'))
end

-- Returns the number of deliveries of EVENT in this partition that have not ended, without ID.
local function count_open(event, id)
  local n = 0
  local names = string.match(call('GETRANGE', base .. 'event:' .. event, '0', '8191'), '\no ([^\n]*)\n') or ''
  for name in string.gmatch(names, '%S+') do
    local other = event .. ':' .. name
    local state = other ~= id and call('HGET', base .. 'delivery:' .. other, 'state')
    if state and state ~= 'done' and state ~= 'dead' then n = n + 1 end
  end
  return n
end

-- One of several deliveries has ended. Returns how long the event is kept, nil while others have not ended; the value
-- of `is`; and whether some were sent again and none is dead since.
local function end_one_of(event, id, keep_ms, dead)
  local key = base .. 'pending:' .. event
  local v = call('HMGET', key, 'keep', 'is', 'dead')
  keep_ms = math.max(keep_ms, tonumber(v[1] or 0))
  local left = call('HINCRBY', key, 'n', '-1')
  if left < 0 then -- the key was lost
    left = count_open(event, id)
    call('HSET', key, 'n', text(left))
  end
  if left == 0 then
    call('DEL', key)
    return keep_ms, v[2], v[3] == '0' and not dead
  end
  call('HSET', key, 'keep', text(keep_ms))
  if dead then call('HSET', key, 'dead', '1') end
  return nil, v[2], false
end

-- A webhook of a task that was sending arrived with what there is (GOT), or is dead. MORE: others are not over.
local function end_sending(d, event, path, got, keep_ms, more)
  if more then call('HSET', base .. 'pending:' .. event, 'is', got and 'got' or 'listed') end
  count_now(d.account, 'sending', -1)
  if got then
    count_hour(d.account, 'fetched', keep_ms)
  else
    list_task('failed', d.account, path, event, keep_ms)
  end
end

-- Does for the task the consequences of D's end. IS: 'sending', 'got' or 'listed'; false: D is the task's only webhook,
-- and its kind says it.
-- REVIVED: some webhooks were sent again, and none is dead any more.
local function judge_end(d, event, is, dead, revived, keep_ms, more)
  local is_postback, has_body, path = d.kind == 'postback', true, nil
  if dead or not is_postback or is and is ~= 'sending' then has_body, path = event_facts(event) end
  local brings = is_postback or not has_body -- the result, or all that there is
  if not is then is = brings and 'sending' or 'listed' end
  if is == 'sending' then
    if brings then end_sending(d, event, path, not dead, keep_ms, more) end
  elseif not dead and brings then
    if more then call('HSET', base .. 'pending:' .. event, 'is', 'got') end
    fetch_task(event, d.account, path, keep_ms)
  elseif dead and d.apart then
    relist_task('failed', d.account, path, event, keep_ms)
  elseif dead then
    fail_task(d.account, path, event, keep_ms)
  elseif revived then
    relist_task('ready', d.account, path, event, keep_ms)
  end
end

-- The event stays as long as its longest kept delivery.
local function release_event(d, keep_ms, dedup_ms, dead)
  local event = string.sub(d.id, 1, -2 - #d.destination)
  local kept, is, revived = keep_ms, d.apart == 'resent' and 'listed', d.apart and not dead
  if d.fan then
    kept, is, revived = end_one_of(event, d.id, keep_ms, dead)
    is = is or 'listed'
  end
  if d.apart ~= 'guest' and d.apart ~= 'got' and is ~= 'got' then
    judge_end(d, event, is, dead, revived, kept or keep_ms, not kept)
  end
  if kept then
    expire_event(event, d.account, kept)
    keep_known(event, kept, dedup_ms)
  end
end

-- The fetch of an announced result is over. If a fetch brought the result, put has counted that. Else the result is here by other
-- means, or cannot be had.
local function end_fetch(d, verdict, keep_ms)
  if verdict == 'fetched' then return end
  if has_result(d.key) then return end
  count_now(nil, 'announced', -1)
  if verdict == 'dead' then count_hour(nil, 'failed', keep_ms) end
end

-- Adds to `deaths`, which lists the dead letters of all destinations. As many leave as are added, and a few more.
local function note_death(id, keep_ms)
  local deaths = base .. 'deaths'
  call('ZADD', deaths, now_text, id)
  local old = call('ZRANGEBYSCORE', deaths, '-inf', text(now_ms - keep_ms), 'LIMIT', 0, 8)
  if #old > 0 then call('ZREM', deaths, unpack(old)) end
  keep_key(deaths, keep_ms)
end

-- Ends the delivery with STATE done, dead or dropped. All expire with their retention. For its task, dropped is dead. VERDICT is settle's.
local function finish(d, state, keep_ms, dedup_ms, verdict)
  delivery_set(d, 'state', state)
  delivery_set(d, 'ended_at', now_text)
  call('PEXPIRE', d.key, text(keep_ms + afterglow(keep_ms)))
  local is_listed = d.listed or state == 'dropped' or d.attempts ~= '1' or d.since or d.told -- only a success at the first attempt is in no list
  if is_listed then call('PEXPIRE', base .. 'attempts:' .. d.id, text(keep_ms)) end
  if state == 'dead' then
    call('LPUSH', base .. 'dead:' .. d.destination, d.id)
    call('ZADD', base .. 'deads', 'NX', text(now_ms + keep_ms), d.destination)
    note_death(d.id, keep_ms)
  end
  if d.kind == 'fetch' then
    local event = string.sub(d.id, 1, -2 - #d.destination)
    end_fetch(d, verdict, keep_ms)
    call('PEXPIRE', base .. 'event:' .. event, text(keep_ms))
    keep_known(event, keep_ms, dedup_ms)
  else
    release_event(d, keep_ms, dedup_ms, state ~= 'done')
  end
end
