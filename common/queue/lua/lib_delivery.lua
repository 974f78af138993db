-- lib_delivery: how a claimed delivery leaves `inflight`. Shared by claim (expired leases) and settle.
-- Written out rather than looped over: this runs for every delivery.
local function delivery_key(id) return base .. 'delivery:' .. id end

-- The delivery as a table of texts (false where a field is not set), or nil if there is none.
local function delivery_load(id)
  local key = base .. 'delivery:' .. id
  local v = call('HMGET', key, 'state', 'fence', 'sent', 'lane', 'destination', 'attempts', 'delay_ms', 'fan')
  if not v[1] then return nil end
  return {id = id, key = key, change = {}, state = v[1], fence = v[2], sent = v[3], lane = v[4], destination = v[5],
    attempts = v[6], delay_ms = v[7], fan = v[8]}
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

-- Ends the claim (write_ended completes it): the lease, the place it took of its destination's
-- concurrency, and its part in the lane's clock. LEFT: the request left (or may have, when nobody will tell any more).
local function unclaim(d, left)
  ended[#ended + 1] = d.id
  freed[d.destination] = (freed[d.destination] or 0) + 1
  local lane = lane_load(d.lane)
  local fence = tonumber(d.fence)
  if d.sent ~= d.fence and fence > lane.stale then
    if lane.open > 0 then lane.open = lane.open - 1 end
    if left then lane.sent = now end
  end
  if lane.holder == fence then lane.holder = 0 end
  if lane.hold == d.id then lane.hold, lane.hold_until = '', 0 end
  if lane.probe == fence then lane.probe = 0 end
  lane.parked = 0
  return lane
end

-- Back onto its lane: the tail, but the head of a lane that keeps its order.
local function requeue(d, lane, side)
  delivery_set(d, 'state', 'queued')
  lane_push(lane, d.id, tonumber(d.delay_ms), side or (lane.order == 'fifo' and 'LPUSH' or 'RPUSH'))
end

-- The event stays as long as its longest kept delivery. DEDUP_MS: repeats are known that long.
local function release_event(event, fan, keep_ms, dedup_ms)
  local key = base .. 'event:' .. event
  if fan then
    local pending = base .. 'pending:' .. event
    local kept = tonumber(call('HGET', pending, 'keep') or 0)
    if kept > keep_ms then keep_ms = kept end
    if call('HINCRBY', pending, 'n', -1) > 0 then
      call('HSET', pending, 'keep', keep_ms)
      return
    end
    call('DEL', pending)
  end
  call('PEXPIRE', key, text(keep_ms))
  if keep_ms < dedup_ms then
    local head = call('GETRANGE', key, 0, 255)
    local received, digest, source = string.match(head, '^hp%d+ (%d+) (%x+) (%S+)')
    local left = received and tonumber(received) + dedup_ms - now_ms or 0
    if left > 0 then
      local id = string.match(event, '^[^~]*')
      call('SET', base .. 'dedup:' .. source .. ':' .. id .. ':' .. digest, received, 'PX', left)
    end
  end
end

-- The delivery is over: 'done' or 'dead'. Both expire with their retention.
local function finish(d, state, keep_ms, dedup_ms)
  delivery_set(d, 'state', state)
  delivery_set(d, 'ended_at', now_text)
  call('PEXPIRE', d.key, text(keep_ms))
  if d.listed or d.attempts ~= '1' then call('PEXPIRE', base .. 'attempts:' .. d.id, keep_ms) end
  if state == 'dead' then
    call('LPUSH', base .. 'dead:' .. d.destination, d.id)
    call('ZADD', base .. 'deads', 'NX', now_ms + keep_ms, d.destination)
  end
  release_event(string.sub(d.id, 1, -2 - #d.destination), d.fan, keep_ms, dedup_ms)
end

-- "<concurrency> <lease ms> <window ms> <attempts> <ahead>" of a destination, as dispatchers wrote it.
local limits = {}
local function limits_of(destination)
  local l = limits[destination]
  if l == nil then
    local text = call('HGET', base .. 'limits', destination)
    l = false
    if text then
      local c, lease, window, attempts, ahead = string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
      l = {concurrency = tonumber(c), lease = tonumber(lease), window = tonumber(window),
        attempts = tonumber(attempts), ahead = tonumber(ahead)}
    end
    limits[destination] = l
  end
  return l
end
