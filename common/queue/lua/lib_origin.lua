-- lib_origin: what is known of a lane's origins: circuits, and deliveries that wait beside the lane. Shared by claim and settle.
-- lib_circuit.lua has what follows from the end of a claim.
--
-- An origin is where a delivery goes. A configured destination is one origin, named like the destination. An account's webhooks
-- go to URLs that came with the tasks: their origins are "<destination>/<scheme>://<host>:<port>".
--
-- A lane must go on although one of its origins cannot take anything now: its circuit is open, or its share of the concurrency
-- is taken. Such a delivery leaves the lane when it is next (origin_aside). It goes to `retry` and spends no attempt. `waiting`
-- lists these deliveries per origin, so that they can come back early. It is only an index: without it they come back when
-- they are due.
--
--   5 failures in a row       `until` is 1 s from now, then 2 s, 4 s ... up to 60 s
--   next, and before `until`  the delivery waits: the first one up to `until`, the others at least 5 s longer, 100 ms apart
--   next, and after `until`   the delivery is the probe: `until` is the end of its lease
--   the probe's answer        ends the circuit. Waiting deliveries come back: 100 at once, then one with each result
--
-- A lane with fifo order waits itself (its `pause`): nothing may pass its head.
-- `origins:<lane>` has an origin's "<failures in a row> <until, ms> <pauses> <fence of the probe>" while it fails or something
-- waits for it. The lane's `trouble` is 1 while that hash is there: a lane without trouble reads nothing here.
local CIRCUIT_FAILS, PAUSE_MAX_MS, BACK_MAX, ORIGINS_MAX = 5, 60000, 100, 1000
local LONGER_MS, APART_MS, APART_MAX_MS = 5000, 100, 600000
local ORIGINS_KEPT = text(86400000)

local function origin_name(destination, origin) return origin and destination .. '/' .. origin or destination end
local function origins_key(lane) return base .. 'origins:' .. lane.name end
local function waiting_key(lane, name) return base .. 'waiting:' .. lane.name .. ':' .. name end

-- The state of an origin; a fresh one if none is stored.
local function origin_load(lane, name)
  local e = lane.origins[name]
  if e then return e end
  local written = lane.trouble ~= 0 and call('HGET', origins_key(lane), name)
  local fails, till, pauses, probe = string.match(written or '', '^(%d+) (%d+) (%d+) (%d+)$')
  e = {name = name, is_stored = written and true or false, fails = tonumber(fails or 0), till = tonumber(till or 0),
    pauses = tonumber(pauses or 0), probe = tonumber(probe or 0)}
  -- A clock that was set back must not hold the origin for longer than a pause or a lease.
  e.till = math.min(e.till, now_ms + (e.probe ~= 0 and LEASE_MAX / 1000 or PAUSE_MAX_MS))
  lane.origins[name] = e
  return e
end

-- Origins that fail are remembered for up to ORIGINS_MAX of a lane: an account names its origins itself.
local function origin_save(lane, e)
  local key = origins_key(lane)
  if e.fails == 0 and call('EXISTS', waiting_key(lane, e.name)) == 0 then
    if e.is_stored then call('HDEL', key, e.name) end
    e.is_stored = false
    lane.trouble = call('EXISTS', key)
    return
  end
  if not e.is_stored and call('HLEN', key) >= ORIGINS_MAX then return end
  call('HSET', key, e.name, string.format('%d %d %d %d', e.fails, e.till, e.pauses, e.probe))
  call('PEXPIRE', key, ORIGINS_KEPT)
  e.is_stored = true
  lane.trouble = 1
end

-- The origins of a lane are gone although nobody took them away.
local function origins_check(lane)
  if lane.trouble ~= 0 then lane.trouble = call('EXISTS', origins_key(lane)) end
end

-- The first of those that wait for an origin and are not due yet, and when it is due. Deliveries that left by other
-- ways are dropped.
local function first_waiting(key)
  call('ZREMRANGEBYSCORE', key, '-inf', now_ms)
  for _ = 1, BACK_MAX do
    local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if not first[1] then return nil end
    if call('ZSCORE', base .. 'retry', first[1]) == first[2] then return first[1], tonumber(first[2]) end
    call('ZREM', key, first[1])
  end
end

-- D, which was taken off its lane, waits until TILL (ms) for the origin E.
local function origin_aside(lane, e, d, till)
  local key = waiting_key(lane, e.name)
  local is_first = not e.waiting -- of this call
  if is_first then
    local _, first = first_waiting(key)
    e.first, e.waiting = first, call('ZCARD', key)
  end
  local due = till
  if e.first and e.first <= till then due = till + LONGER_MS + math.min(e.waiting * APART_MS, APART_MAX_MS) end
  e.first, e.waiting = math.min(e.first or due, due), e.waiting + 1
  local written = text(due)
  call('HSET', d.key, 'state', 'retry', 'due_at', written)
  call('ZADD', base .. 'retry', written, d.id)
  call('ZADD', key, written, d.id)
  if is_first then call('PEXPIRE', key, ORIGINS_KEPT) end
  if not e.is_stored then origin_save(lane, e) end
end
