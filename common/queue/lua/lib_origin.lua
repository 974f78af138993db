-- lib_origin: the state of a lane's origins: circuits, and deliveries that wait beside the lane. Shared by claim and
-- settle. lib_circuit.lua has what follows from the end of a claim.
--
-- An origin is where a delivery goes. A configured destination is one origin, named like the destination. An account's webhooks
-- go to URLs that came with the tasks: their origins are "<destination>/<scheme>://<host>:<port>".
--
-- A lane must go on although one of its origins cannot take anything now. There are three reasons: the origin's circuit
-- is open, it asked to wait (429, or 503 with Retry-After), or its share of the concurrency is taken. A delivery to
-- such an origin leaves the lane when it is next (origin_aside). It goes to `retry` and spends no attempt. `waiting`
-- lists these deliveries per origin, so that they can come back early. It is only an index: without it they come back
-- when they are due.
--
--   5 failures in a row       `until` is 1 s from now, then 2 s, 4 s ... up to 60 s
--   next, and before `until`  the delivery waits: the first one up to `until`, the others at least 5 s longer, 100 ms apart
--   next, and after `until`   the delivery is the probe: `until` is the end of its lease
--   the probe's answer        ends the circuit. Waiting deliveries come back: 100 at once, then one with each result
--
-- An origin that asks to wait is treated in the same way (`told`), with two differences. `until` is what it asked for; without
-- a time 1 s, then 2 s, 4 s ... up to 60 s. And it does not get everything at once when the wait is over, because most of that
-- would be refused again. After the probe two requests may be in flight, then three: one more each time that so many were
-- answered (origin_room). An origin that takes R requests at a time so refuses about the square root of 2R, whatever the
-- concurrency is. Answers to requests from before the wait say nothing about its end.
--
-- A lane with fifo order waits itself (its `pause`): nothing may pass its head. So does a lane with only one origin: there is
-- nothing that could go on, and a million deliveries need not be moved.
-- `origins:<lane>` has an origin's "<failures in a row> <until, ms> <pauses> <fence of the probe> <told> <answers since>" while
-- it fails, waits, recovers from a wait, or something waits for it. The lane's `trouble` is 1 while that hash is there: a lane without trouble reads nothing here.
local CIRCUIT_FAILS, PAUSE_MAX_MS, BACK_MAX, ORIGINS_MAX = 5, 60000, 100, 1000
local LONGER_MS, APART_MS, APART_MAX_MS = 5000, 100, 600000
local DAY_MS = 86400000
local ORIGINS_KEPT = text(DAY_MS)

local function origin_name(destination, origin) return origin and destination .. '/' .. origin or destination end
local function origins_key(lane) return base .. 'origins:' .. lane.name end
local function waiting_key(lane, name) return base .. 'waiting:' .. lane.name .. ':' .. name end

-- The state of an origin; a fresh one if none is stored.
local function origin_load(lane, name)
  local e = lane.origins[name]
  if e then return e end
  local written = lane.trouble ~= 0 and call('HGET', origins_key(lane), name)
  local fails, till, pauses, probe, told, answers = string.match(written or '', '^(%d+) (%d+) (%d+) (%d+) (%d) (%d+)$')
  e = {name = name, is_stored = written and true or false, fails = tonumber(fails or 0), till = tonumber(till or 0),
    pauses = tonumber(pauses or 0), probe = tonumber(probe or 0), told = told == '1', answers = tonumber(answers or 0)}
  -- A clock that was set back must not hold the origin for longer than a lease, a wait or a pause.
  e.till = math.min(e.till, now_ms + (e.probe ~= 0 and LEASE_MAX / 1000 or e.told and DAY_MS or PAUSE_MAX_MS))
  lane.origins[name] = e
  return e
end

-- Must the origin's deliveries wait until a probe was answered?
local function origin_is_shut(e) return e.fails >= CIRCUIT_FAILS or e.told end

-- Returns the number of requests that may be in flight to an origin that recovers from a wait: 2 after the probe's
-- answer, 3 after 3 answers, 4 after 6, 5 after 10.
local function origin_room(e) return math.floor((1 + math.sqrt(1 + 8 * e.answers)) / 2) end

-- Origins that fail are remembered for up to ORIGINS_MAX of a lane: an account names its origins itself.
local function origin_save(lane, e)
  local key = origins_key(lane)
  if e.fails == 0 and not e.told and e.answers == 0 and call('EXISTS', waiting_key(lane, e.name)) == 0 then
    if e.is_stored then call('HDEL', key, e.name) end
    e.is_stored = false
    lane.trouble = call('EXISTS', key)
    return
  end
  if not e.is_stored and call('HLEN', key) >= ORIGINS_MAX then return end
  call('HSET', key, e.name, string.format('%d %d %d %d %d %d', e.fails, e.till, e.pauses, e.probe, e.told and 1 or 0, e.answers))
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
