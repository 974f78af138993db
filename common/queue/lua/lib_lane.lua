-- lib_lane: the clock of a lane, which says when the lane may next be looked at. Shared by the scripts that change lanes.
-- Times are microseconds of Redis' own clock (`now`), unless a name ends in _ms.
--
-- The clock promises that two sends on a lane are at least the later one's delay apart, though Redis never sees a send. It
-- sees a claim, then the report that the request left, then the result:
--
--        claim                sent (report)             settle
--   ───────┬──────────────────────┬────────────────────────┬──────▶ time
--          │◀──── window ────────▶│◀─────── delay ────────────────▶│ next claim
--          open = 1               open = 0
--          until = end of window  sent = when it left
--
-- A request may leave only inside the window of its claim. So while a claim is open, a send may happen at any moment up to
-- `until`; nothing with a delay is claimed before. The report turns that range into one moment, `sent`. If no report comes,
-- the window closes and `sent` becomes `until`, the latest moment possible (lane_lapse). `stale` is the last fence of that
-- time: a claim up to it no longer counts in `open`, and a report of it changes nothing.
--
--   field              set by                            says
--   sent               the report, lane_lapse            moment of the last send
--   open, until        claim + 1, report or result - 1   claims that may still send, and until when; `window` is the length in ms
--   stale              lane_lapse                        fences up to this one lapsed without a report
--   holder             claim of what has a delay         its fence. Nothing else goes while it is open, without a delay neither
--   held               claim: the head keeps its place   the delay that the lane waits for: in fifo order, or after 100 requeues
--   hold, hold_until   claim and retry, fifo only        the delivery that nothing passes, and when to look at it again
--   parked             claim: no place is free           not before this moment, unless a place at the destination gets free
--   pause              release, an open circuit (fifo)   not before this moment
--   paused             an operator (pause.lua)           1: nothing is claimed; the key `paused` has it too
--   trouble            failures, waiting deliveries      1: something is known of the lane's origins (lib_origin.lua)
--
-- The lane's score in `lanes` is the earliest moment that these fields allow for the shortest delay in its queue
-- (lane_look). Each script that changes a lane writes the clock and the score once, at its end (lane_schedule).
local call, sub, format = redis.call, string.sub, string.format
local base = ARGV[1]
local DELIVERY, EVENT, QUEUE, DELAYS = base .. 'delivery:', base .. 'event:', base .. 'queue:', base .. 'delays:'
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = math.floor(now / 1000)
-- Redis turns a Lua number into text by %.17g, which costs more than most commands. Scripts pass text.
local function text(n) return format('%d', n) end
local now_text = text(now_ms)
-- KEY stays at least that long; a little longer, so that this need not be written every time.
local function keep_key(key, keep_ms)
  if call('PTTL', key) < keep_ms then call('PEXPIRE', key, text(keep_ms + math.floor(keep_ms / 64))) end
end
-- The destination in a delivery's id. A pattern like '[^:]*$', which may begin anywhere, takes the square of the id's length.
local DESTINATION = '^.*:(.*)$'
local LONG = string.rep('/', 65) -- so long that Redis keeps nothing with it as a packed list; no id or name is like it
local woken -- a lane that got its first work or was brought forward in this call

local PAUSED = 3600000000 -- us: a lane that an operator has stopped is looked at again then

-- The faults that this call found and mended, as "<word> <what>". claim and limits reply it, and dispatchers log it.
local notes, NOTES_MAX = {}, 20
local function note(word, what)
  if #notes < NOTES_MAX then notes[#notes + 1] = word .. ' ' .. what end
end

-- ms, us, us, ms: the longest that can be configured
local WINDOW_MAX, LEASE_MAX, PAUSE_MAX, DELAY_MAX_MS = 601000, 1203000000, 130000000, 1000
local loading -- the lane whose clock is being read. If that fails the clock is nonsense, and claim and limits delete it
-- Lua makes the functions of a script anew at each call. It looks for each variable of the same scope that a function uses in a
-- list of all such variables, but finds those of an outer scope at once. So everything from here on is a scope of its own
-- (cmake/embed_file.cmake): a call of put, claim or settle is 10 us shorter.
--@scope
local loaded = {} -- lane name -> state: each lane is read and written once per call

-- The clock is one field, a MessagePack array: reading its fields one by one costs Redis ten times as much.
-- Reads CLOCK. Fails, or returns false, if it is none: somebody wrote it by hand. The sum fails for what is no number. (pcall here
-- would cost a microsecond for each lane.)
local function unpack_clock(lane, clock)
  local sent, open, till, window, holder, stale, held, hold, hold_until, parked, pause, trouble, paused = cmsgpack.unpack(clock)
  local sum = sent + open + till + window + holder + stale + held + hold_until + parked + pause + trouble + paused
  lane.sent, lane.open, lane['until'], lane.window, lane.holder, lane.stale, lane.held, lane.hold, lane.hold_until, lane.parked,
    lane.pause, lane.trouble, lane.paused = sent, open, till, window, holder, stale, held, hold, hold_until, parked, pause, trouble, paused
  return sum > -1e17 and sum < 1e17 and type(hold) == 'string'
end

local function pack_clock(lane)
  return cmsgpack.pack(lane.sent, lane.open, lane['until'], lane.window, lane.holder, lane.stale, lane.held, lane.hold,
    lane.hold_until, lane.parked, lane.pause, lane.trouble, lane.paused)
end

local NEW_CLOCK = cmsgpack.pack(0, 0, 0, 0, 0, 0, 0, '', 0, 0, 0, 0, 0)

-- No moment of a clock may lie further away than what can be configured: Redis' own clock was set back, or somebody wrote into
-- the lane. Such a moment must not hold the lane.
local function bound_clock(lane)
  if lane.window > WINDOW_MAX then lane.window, lane['until'] = 0, now end
  local window = now + (lane.window > 0 and lane.window or WINDOW_MAX) * 1000
  local late = now + PAUSE_MAX
  if lane.sent > now or lane['until'] > window or lane.pause > late or lane.parked > late or lane.held > DELAY_MAX_MS then
    note('clock', lane.name)
    lane.sent, lane['until'] = math.min(lane.sent, now), math.min(lane['until'], window)
    if lane.pause > late then lane.pause = now end
    if lane.parked > late then lane.parked = 0 end
    if lane.held > DELAY_MAX_MS then lane.held = 0 end
  end
  if lane.open <= 0 then lane.open, lane.holder = 0, 0 end
  if lane.stale > 2 * now_ms then lane.stale = 0 end -- no fence is so high
end

local function lane_load(name)
  local lane = loaded[name]
  if lane then return lane end
  -- All fields at once: a table that grows field by field costs three times as much.
  lane = {name = name, key = base .. 'lane:' .. name, queue = QUEUE .. name, delays = DELAYS .. name, count = {}, pushed = 0,
    origins = {}, known = false, clock = '', order = '', sent = 0, open = 0, ['until'] = 0, window = 0, holder = 0, stale = 0, held = 0,
    hold = '', hold_until = 0, parked = 0, pause = 0, trouble = 0, paused = 0}
  local v = call('HMGET', lane.key, 'clock', 'order')
  lane.clock, lane.order = v[1] or NEW_CLOCK, v[2] or ''
  loading = name
  local is_sane = unpack_clock(lane, lane.clock)
  if not is_sane then
    note('clock', name)
    unpack_clock(lane, NEW_CLOCK)
  end
  loading = nil
  if not v[1] or not is_sane then lane.paused = call('HEXISTS', base .. 'paused', name) end
  bound_clock(lane)
  loaded[name] = lane
  return lane
end

-- The send windows of all open claims are over without a report. None of these requests can leave any more, and the last
-- may have left when its window closed. GIVEN: the last fence given out, if this call has reserved more.
local function lane_lapse(lane, given)
  if lane.open > 0 and now >= lane['until'] then
    if lane['until'] > lane.sent then lane.sent = lane['until'] end
    lane.open = 0
    lane.holder = 0
    lane.stale = given or tonumber(call('GET', base .. 'fences') or 0)
  end
end

-- When a delivery with this delay (ms) may go, given what was sent and what is still to be sent.
local function lane_when(lane, delay)
  if delay == 0 then
    return lane.holder ~= 0 and lane['until'] or 0
  end
  if lane.open > 0 then return lane['until'] end
  return lane.sent + math.min(delay, DELAY_MAX_MS) * 1000
end

-- Claims are given out up to EARLY microseconds before the request may leave; the claim names that moment. So the way to the
-- dispatcher, and the work of a batch, do not make the gap longer.
local EARLY = 8000

-- When a delivery with this delay may be claimed.
local function lane_ready(lane, delay)
  local when = lane_when(lane, delay)
  return lane.open == 0 and when > EARLY and when - EARLY or when
end

-- Counts queued deliveries by delay, with every push and pop; lane_save writes the counts. lane.known has all that are queued,
-- if this call has read it.
local function lane_count(lane, delay, n)
  lane.count[delay] = (lane.count[delay] or 0) + n
  if lane.known then lane.known[delay] = (lane.known[delay] or 0) + n end
end

local function lane_know(lane)
  local all, known = call('HGETALL', lane.delays), {}
  for i = 1, #all, 2 do
    local delay, n = tonumber(all[i]), tonumber(all[i + 1])
    if delay and n then known[delay] = n end
  end
  for delay, n in pairs(lane.count) do known[delay] = (known[delay] or 0) + n end
  lane.known = known
  return known
end

-- The shortest delay among the queued, or nil if nothing is queued.
local function lane_shortest(lane)
  local shortest
  for delay, n in pairs(lane.known or lane_know(lane)) do
    if n > 0 and (not shortest or delay < shortest) then shortest = delay end
  end
  return shortest
end

-- The earliest moment at which anything on the lane may go, or nil if nothing is queued.
local function lane_look(lane)
  local shortest = lane_shortest(lane)
  if not shortest then
    lane.held = 0
    return nil
  end
  local at = lane_ready(lane, lane.held > 0 and lane.held or shortest)
  if lane.paused == 1 then return now + PAUSED end
  return math.max(now, at, lane.pause, lane.parked, lane.hold_until)
end

local function lane_save(lane)
  local clock = pack_clock(lane)
  if clock ~= lane.clock then
    call('HSET', lane.key, 'clock', clock)
    lane.clock = clock
  end
  for delay, n in pairs(lane.count) do
    if n ~= 0 and call('HINCRBY', lane.delays, text(delay), text(n)) <= 0 then
      call('HDEL', lane.delays, text(delay))
    end
  end
  lane.count = {}
end

-- Nothing is counted. If something is queued all the same, its counts were lost, or ids were put into the list by hand. Counts
-- the first ones anew, and gives all others the delay of the head: counts that are too high only cost a look.
local RECOUNT_MAX, recount_left = 100, 300 -- of one lane; of all lanes in this call
local function lane_recount(lane)
  local length = call('LLEN', lane.queue)
  if length == 0 then return end
  note('counts', lane.name)
  call('DEL', lane.delays)
  lane.count, lane.known = {}, {}
  local ids = call('LRANGE', lane.queue, 0, math.min(RECOUNT_MAX, math.max(1, recount_left)) - 1)
  recount_left = recount_left - #ids
  for i, id in ipairs(ids) do
    local delay = tonumber(call('HGET', DELIVERY .. id, 'delay_ms') or 0) or 0
    lane_count(lane, delay, i == 1 and length - #ids + 1 or 1)
  end
end

-- Writes the lane and its place in `lanes` (ms with a fraction). Without work it leaves `lanes`. is_doubtful: its counts may be wrong.
local function lane_schedule(lane)
  local at = lane_look(lane)
  if not at and lane.is_doubtful then
    lane_recount(lane)
    at = lane_look(lane)
  end
  lane_save(lane)
  if not at then
    call('ZREM', base .. 'lanes', lane.name)
  elseif call('ZADD', base .. 'lanes', string.format('%.3f', at / 1000), lane.name) == 1 and lane.pushed > 0 then
    woken = lane.name
  end
end

-- When the first member of the sorted set NAME is due (ms), or false.
local function first_due(name)
  local at = call('ZRANGE', base .. name, '0', '0', 'WITHSCORES')[2]
  return at and tonumber(at) or false
end

-- Microseconds until the first of lanes, retries and leases is due; -1 if nothing waits. FIRSTS: what first_due returns for the sets
-- that the caller need not read again.
local function until_due(firsts)
  local first
  for _, name in ipairs({'lanes', 'retry', 'inflight'}) do
    local at = firsts[name]
    if at == nil then at = first_due(name) end
    if at and (not first or at < first) then first = at end
  end
  if not first then return -1 end
  return math.max(0, math.ceil(first * 1000 - now))
end

local function wake()
  -- If it is refused, everything else was written already. Then dispatchers find the work at their next look.
  if woken then redis.pcall(KEYS[2] and 'SPUBLISH' or 'PUBLISH', base .. 'wake', woken) end -- a cluster declares a second key
end

local function schedule_all()
  for _, lane in pairs(loaded) do lane_schedule(lane) end
  wake()
end

-- SIDE: 'RPUSH' (tail) or 'LPUSH' (head).
local function lane_push(lane, id, delay, side)
  call(side, lane.queue, id)
  lane_count(lane, delay, 1)
  lane.pushed = lane.pushed + 1
end
