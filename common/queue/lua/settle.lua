#!lua flags=allow-oom
-- settle: what became of claimed deliveries.
-- KEYS: lanes. ARGV: base, done ms, dead ms, dedup ms, then per delivery:
--   id and fence as claimed, outcome, duration ms, the answer's first bytes if they are short, and as the outcome says: the
--   attempt's record (JSON, where the delivery itself does not say all of it), the failed attempt as the API lists it (JSON).
-- An outcome is what many deliveries have in common, and is read once a call: 1 if the attempt's record follows, 1 if the
--   failed attempt does; destination, kind, account (or '*', which no name is), lane, delay ms and attempt as claimed; verdict; wait ms, status,
--   error (or '*'); 1 if the request left; 1 if the host could not be reached.
-- Verdicts: done; fetched, an announced result was fetched and is put; retry, dead, release, defer.
-- Replies {claim's wait_us, a number each}: 1 recorded, 0 fenced (another has claimed it since, or it is over), 2 a late
-- success that ended a delivery which only waited.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_delivery.lua
local done_ms, dead_ms, dedup_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ATTEMPTS_MAX, FIND_MAX, CIRCUIT_FAILS = 60, 10000, 5

-- A late success: whoever waits for a further attempt need not wait. True if it did end it. A success of before a resend
-- does not: that asks for a request of its own.
local function end_waiting(d, fence)
  if tonumber(fence) <= tonumber(d.since or 0) then return false end
  if d.state == 'retry' then
    call('ZREM', base .. 'retry', d.id)
    local lane = lane_load(d.lane)
    if lane.hold == d.id then lane.hold, lane.hold_until = '', 0 end
  elseif d.state == 'queued' and call('LLEN', base .. 'queue:' .. d.lane) <= FIND_MAX then
    local lane = lane_load(d.lane)
    if call('LREM', lane.queue, -1, d.id) == 0 then return false end
    lane_count(lane, tonumber(d.delay_ms), -1)
  else
    return false
  end
  return true
end

-- The host of a lane could not be reached CIRCUIT_FAILS times in a row: the lane pauses, 1 s doubling to
-- 60 s, and then lets one delivery through to see. Any answer closes the circuit.
local function judge_circuit(lane, probed, unreachable, reached)
  if unreachable then
    lane.fails = lane.fails + 1
    if lane.fails == CIRCUIT_FAILS or (lane.fails > CIRCUIT_FAILS and probed) then
      lane.pause = now + math.min(1000000 * 2 ^ lane.pauses, 60000000)
      lane.pauses = math.min(lane.pauses + 1, 6)
    end
  elseif reached and lane.fails > 0 then
    lane.fails, lane.pauses, lane.pause, lane.probe = 0, 0, 0, 0
  elseif probed then
    lane.pause = 0
  end
end

local function remember(d, o, duration, response, attempt)
  delivery_set(d, 'last_status', o.status)
  delivery_set(d, 'duration_ms', duration)
  if o.failure ~= '' or d.attempts ~= '1' then delivery_set(d, 'last_error', o.failure) end
  if response ~= '' or d.attempts ~= '1' then delivery_set(d, 'response', response) end
  if attempt ~= '' then
    d.listed = true
    local key = base .. 'attempts:' .. d.id
    call('LPUSH', key, attempt)
    if d.attempts ~= '1' then call('LTRIM', key, 0, ATTEMPTS_MAX - 1) end
  end
end

local FAILURES_MAX, FAILURES_MS = 20000, 7 * 86400000

-- What the API lists as failed attempts, 7 days long.
local function list_failure(d, failure)
  for _, scope in ipairs(scopes_of(d.account)) do
    local key = base .. 'errors' .. scope .. (d.kind == 'pingback' and ':pingback' or ':postback')
    call('XADD', key, 'MAXLEN', '~', text(FAILURES_MAX), '*', 'attempt', failure)
    call('PEXPIRE', key, text(FAILURES_MS))
  end
end

local VERDICT = {}

local SUCCESS = {done = true, fetched = true}
for verdict in pairs(SUCCESS) do
  VERDICT[verdict] = function(d) finish(d, 'done', done_ms, dedup_ms, verdict) end
end

function VERDICT.dead(d)
  finish(d, 'dead', dead_ms, dedup_ms, 'dead')
end

function VERDICT.retry(d, lane, wait_ms)
  delivery_set(d, 'state', 'retry')
  delivery_set(d, 'due_at', now_ms + wait_ms)
  call('ZADD', base .. 'retry', now_ms + wait_ms, d.id)
  if lane.order == 'fifo' then
    lane.hold, lane.hold_until = d.id, now + wait_ms * 1000
  end
end

-- Not attempted: the head of its list again, or (defer) later; the attempt is given back.
function VERDICT.release(d, lane, wait_ms)
  delivery_set(d, 'attempts', text(tonumber(d.attempts) - 1))
  if wait_ms > 0 then lane.pause = math.max(lane.pause, now + wait_ms * 1000) end
  requeue(d, lane, 'LPUSH')
  woken = lane.name
end

function VERDICT.defer(d, lane, wait_ms)
  delivery_set(d, 'attempts', text(tonumber(d.attempts) - 1))
  VERDICT.retry(d, lane, wait_ms)
end

local outcomes = {} -- its text -> an outcome
local function read_outcome(written)
  local has_attempt, has_failure, destination, kind, account, lane, delay_ms, attempt, verdict, wait_ms, status, failure, left,
    unreachable = string.match(written, '^(%d) (%d) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%d) (%d)$')
  local outcome = {has_attempt = has_attempt == '1', has_failure = has_failure == '1', destination = destination, kind = kind,
    account = account ~= '*' and account or nil, lane = lane, delay_ms = delay_ms, attempt = attempt, verdict = verdict,
    wait_ms = tonumber(wait_ms), status = status, failure = failure ~= '*' and failure or '', left = left == '1',
    unreachable = unreachable == '1'}
  outcomes[written] = outcome
  return outcome
end

-- The delivery as delivery_load gives it, but what the claim told is not read again.
local function claimed(id, o)
  local key = delivery_key(id)
  local v = call('HMGET', key, 'state', 'fence', 'sent', 'fan')
  if not v[1] then return nil end
  local d = {id = id, key = key, change = {}, state = v[1], fence = v[2], sent = v[3], lane = o.lane,
    destination = o.destination, kind = o.kind, account = o.account, attempts = o.attempt, delay_ms = o.delay_ms}
  delivery_read_rare(d, v[4])
  return d
end

local at = 5
local function arg()
  local value = ARGV[at]
  at = at + 1
  return value
end

local results = {}
while at <= #ARGV do
  local id, fence, written, duration, response = arg(), arg(), arg(), arg(), arg()
  local o = outcomes[written] or read_outcome(written)
  local attempt, failed = o.has_attempt and arg() or '', o.has_failure and arg() or ''
  local verdict = o.verdict
  local d = claimed(id, o)
  local result = 0
  if d and d.state == 'inflight' and d.fence == fence then
    local probed = lane_load(d.lane).probe == tonumber(fence)
    local lane = unclaim(d, o.left)
    judge_circuit(lane, probed, o.unreachable, o.status ~= '0' or o.left)
    if verdict ~= 'release' and verdict ~= 'defer' then remember(d, o, duration, response, attempt) end
    VERDICT[verdict](d, lane, o.wait_ms)
    delivery_save(d)
    if failed ~= '' then list_failure(d, failed) end
    result = 1
  elseif d and SUCCESS[verdict] and end_waiting(d, fence) then
    remember(d, o, duration, response, attempt)
    d.listed = true -- later attempts may have been, where this one was the first
    finish(d, 'done', done_ms, dedup_ms, verdict)
    delivery_save(d)
    result = 2
  end
  results[#results + 1] = result
end
write_ended()
write_tasks()
schedule_all()
return {until_due(), unpack(results)}
