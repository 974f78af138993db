-- lib_lane: the clock of a lane and when it may next be looked at. Shared by the scripts that change
-- lanes; docs/internals/queue.md explains the fields. Times are microseconds of Redis' own clock (`now`).
local call = redis.call
local base = ARGV[1]
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = math.floor(now / 1000)
-- Numbers that are written for every delivery are turned into text here, once or by %d: what Redis does with
-- a Lua number (%.17g) costs more than the command.
local function text(n) return string.format('%d', n) end
local now_text = text(now_ms)
local woken -- a lane that went from empty to not empty, or was brought forward, in this call

-- A lane's state; what is absent is 0, or '' where it is a text.
local LANE = {'sent', 'open', 'until', 'holder', 'pause', 'held', 'hold', 'hold_until', 'parked',
  'stale', 'fails', 'pauses', 'probe', 'order', 'window'}
local WINDOW_MAX, LEASE_MAX, PAUSE_MAX = 601000, 1203000000, 130000000 -- ms, us, us: the longest that can be configured
local TEXT = {hold = true, order = true}
local loaded = {} -- lane name -> state: each lane is read and written once per call

local function lane_load(name)
  local lane = loaded[name]
  if lane then return lane end
  lane = {name = name, key = base .. 'lane:' .. name, queue = base .. 'queue:' .. name,
    delays = base .. 'delays:' .. name, was = {}, count = {}, pushed = 0}
  local values = call('HMGET', lane.key, unpack(LANE))
  for i, field in ipairs(LANE) do
    local value = values[i]
    if TEXT[field] then value = value or '' else value = tonumber(value or 0) end
    lane[field] = value
    lane.was[field] = value
  end
  -- A clock that was set back must not hold the lane for longer than one delay, window or pause (of a probe: a lease).
  if lane.sent > now then lane.sent = now end
  local window = now + (lane.window > 0 and lane.window or WINDOW_MAX) * 1000
  if lane['until'] > window then lane['until'] = window end
  if lane.pause > now + (lane.probe ~= 0 and LEASE_MAX or PAUSE_MAX) then lane.pause = now end
  loaded[name] = lane
  return lane
end

-- Claims whose send window is over without a report: none of them can leave any more, and the last
-- may have left when the window closed. GIVEN: the last fence given out, where this call has reserved further ones.
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
  return lane.sent + delay * 1000
end

-- Claims are given out up to EARLY microseconds before the moment at which they may go, which the claim names:
-- so the way to the dispatcher and the work of a batch do not make the gap longer.
local EARLY = 8000

-- When a delivery with this delay may be claimed.
local function lane_ready(lane, delay)
  local when = lane_when(lane, delay)
  return lane.open == 0 and when > EARLY and when - EARLY or when
end

-- Queued deliveries per delay, counted with every push and pop and written by lane_save.
local function lane_count(lane, delay, n)
  lane.count[delay] = (lane.count[delay] or 0) + n
end

-- The shortest delay among the queued, or nil if nothing is queued.
local function lane_shortest(lane)
  local shortest
  for _, delay in ipairs(call('HKEYS', lane.delays)) do
    delay = tonumber(delay)
    if not shortest or delay < shortest then shortest = delay end
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
  for _, field in ipairs({'pause', 'parked', 'hold_until'}) do
    if lane[field] > at then at = lane[field] end
  end
  return at > now and at or now
end

local function lane_save(lane)
  local change = {}
  for _, field in ipairs(LANE) do
    if lane[field] ~= lane.was[field] then
      change[#change + 1] = field
      change[#change + 1] = lane[field]
      lane.was[field] = lane[field]
    end
  end
  if #change > 0 then call('HSET', lane.key, unpack(change)) end
  for delay, n in pairs(lane.count) do
    if n ~= 0 and call('HINCRBY', lane.delays, delay, n) <= 0 then
      call('HDEL', lane.delays, delay)
    end
  end
  lane.count = {}
end

-- Writes the lane and its place in `lanes` (ms with a fraction). Without work it leaves `lanes`.
local function lane_schedule(lane)
  lane_save(lane) -- counts first: the look reads them
  local at = lane_look(lane)
  lane_save(lane)
  if not at then
    call('ZREM', base .. 'lanes', lane.name)
  elseif call('ZADD', base .. 'lanes', at / 1000, lane.name) == 1 and lane.pushed > 0 then
    woken = lane.name
  end
end

-- Microseconds until the first of lanes, retries and leases is due; -1 if nothing waits.
local function until_due()
  local first
  for _, key in ipairs({'lanes', 'retry', 'inflight'}) do
    local entry = call('ZRANGE', base .. key, 0, 0, 'WITHSCORES')
    local at = entry[2] and tonumber(entry[2]) * 1000
    if at and (not first or at < first) then first = at end
  end
  if not first then return -1 end
  return math.max(0, math.ceil(first - now))
end

local function wake()
  if woken then call('PUBLISH', base .. 'wake', woken) end
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
