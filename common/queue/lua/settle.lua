#!lua flags=allow-oom
-- settle: records the results of claimed deliveries.
-- KEYS: lanes. ARGV: base, done ms, dead ms, dedup ms. Then per delivery: its id and fence as claimed, outcome, duration ms, the
-- answer's first bytes if they are short; and, if the outcome says that they follow, the attempt as a JSON record for
-- attempts:<id>, and the failed attempt as the API lists it (JSON).
--
-- Many deliveries share an outcome, which is read once a call. Its words:
--   attempt, failure      1 if that argument follows
--   report                1 if the claim asked for a report of the send
--   destination, kind, account, lane, origin, delay ms, attempt number     as claimed. '*': no account; kind not
--                         known; the destination has only one origin
--   verdict               done, fetched (a result was fetched, and is put), retry, dead, release, defer, wait, unknown
--   wait ms, status, error ('*': none)
--   left                  1 if the request left
--   unreachable           1 if the host could not be reached
--   told ms, counted      only of the verdict wait: how long the origin asked to wait (0: it did not say), and the verdict
--                         (retry or dead) if this is counted as a failed attempt
--
-- Replies {claim's wait_us, a number each}. 1: recorded. 0: fenced, because another has claimed the delivery since, or it has
-- ended. 2: a late success, which ended a delivery that only waited. 4 more: the origin's circuit opened. 8 more: it closed.
-- 16 more: the verdict was wait, and it was counted as a failed attempt. 32 times so many ms more: the circuit is open for so long.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_ended.lua
local done_ms, dead_ms, dedup_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local SUCCESS = {done = true, fetched = true}
local outcomes = {} -- its text -> an outcome
local function read_outcome(written)
  local has_attempt, has_failure, report, destination, kind, account, lane, origin, delay_ms, attempt, verdict, wait_ms, status, failure,
    left, unreachable, told, counted = string.match(written,
    '^(%d) (%d) (%d) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%d) (%d) ?(%d*) ?(%a*)$')
  local o = {has_attempt = has_attempt == '1', has_failure = has_failure == '1', is_reported = report == '1',
    destination = destination, kind = kind ~= '*' and kind or nil, account = account ~= '*' and account or nil, lane = lane,
    origin = origin ~= '*' and origin or nil, delay_ms = delay_ms, attempt = attempt, verdict = verdict, wait_ms = tonumber(wait_ms), status = status,
    failure = failure ~= '*' and failure or '', left = left == '1', unreachable = unreachable == '1',
    told_ms = tonumber(told), counted = counted, ended = 0}
  -- Most deliveries are postbacks that arrive at their first attempt.
  o.is_plain = verdict == 'done' and kind == 'postback' and attempt == '1' and failure == '*'
  o.event_end = -2 - #destination
  outcomes[written] = o
  return o
end

local event_until, delivery_until = text(now_ms + done_ms), text(now_ms + done_ms + afterglow(done_ms))

-- The same for a delivery that is plain (read_outcome), has no siblings, was never resent, and whose lane has no failures.
local function settle_plain(lane, id, key, o, v, duration, response, attempt)
  unclaim_from(lane, id, v[2], o.is_reported and v[4], o.left)
  ended[#ended + 1] = id
  o.ended = o.ended + 1
  if response ~= '' then
    call('HSET', key, 'state', 'done', 'ended_at', now_text, 'last_status', o.status, 'duration_ms', duration, 'response', response)
  else
    call('HSET', key, 'state', 'done', 'ended_at', now_text, 'last_status', o.status, 'duration_ms', duration)
  end
  if attempt ~= '' then
    local list = base .. 'attempts:' .. id
    call('LPUSH', list, attempt)
    call('PEXPIREAT', list, event_until)
  end
  local event = sub(id, 1, o.event_end)
  call('PEXPIREAT', key, delivery_until)
  if o.account then expire_event(event, o.account, done_ms) else call('PEXPIREAT', EVENT .. event, event_until) end
  if done_ms < dedup_ms then keep_known(event, done_ms, dedup_ms) end
end

-- Counts what settle_plain ended.
local function count_plain()
  for _, o in pairs(outcomes) do
    local n = o.ended
    if n > 0 then
      freed[o.destination] = (freed[o.destination] or 0) + n
      if o.origin then free_share(o.destination, o.origin, n) end
      count_now(o.account, 'sending', -n)
      count_hour(o.account, 'fetched', done_ms, n)
    end
  end
end

-- What settle does with all others. Most calls do without these functions, which Lua makes each time that this one is called.
local function not_plain()
--@include lib_delivery.lua
--@include lib_origin.lua
--@include lib_circuit.lua
--@include lib_attempt.lua
  local ATTEMPTS_MAX, FIND_MAX = 60, 10000
  local find_left = 2 * FIND_MAX -- entries of queues that this call searches for late successes

  -- May the queue of LANE be searched in this call?
  local function is_short_enough(lane)
    local length = call('LLEN', QUEUE .. lane)
    find_left = find_left - length
    return length <= FIND_MAX and find_left >= 0
  end

  -- A late success ends a delivery that waits for a further attempt. Returns whether it did. A success from before a resend
  -- does not: a resend asks for a request of its own.
  local function end_waiting(d, fence)
    if tonumber(fence) <= tonumber(d.since or 0) then return false end
    if d.state == 'retry' then
      call('ZREM', base .. 'retry', d.id)
      local lane = lane_load(d.lane)
      if lane.hold == d.id then lane.hold, lane.hold_until = '', 0 end
    elseif d.state == 'queued' and is_short_enough(d.lane) then
      local lane = lane_load(d.lane)
      if call('LREM', lane.queue, -1, d.id) == 0 then return false end
      lane_count(lane, tonumber(d.delay_ms), -1)
    else
      return false
    end
    return true
  end

  local function remember(d, o, duration, response, attempt)
    local is_only = d.attempts == '1' and not (d.told or d.since or d.listed) -- there was no request before
    delivery_set(d, 'last_status', o.status)
    delivery_set(d, 'duration_ms', duration)
    if o.failure ~= '' or not is_only then delivery_set(d, 'last_error', o.failure) end
    if response ~= '' or not is_only then delivery_set(d, 'response', response) end
    if attempt == '' and not is_only then attempt = attempt_record(now_text, duration, o.status, response) end
    if attempt ~= '' then
      d.listed = true
      local key = base .. 'attempts:' .. d.id
      if call('LPUSH', key, attempt) > ATTEMPTS_MAX then call('LTRIM', key, 0, ATTEMPTS_MAX - 1) end
    end
  end

  local FAILURES_MAX, FAILURES_MS = 20000, 7 * 86400000
  local FAILURES_OF_ACCOUNT_MAX = 5000

  -- Adds to the failed attempts that the API lists, for 7 days. One of an account is kept once: everybody's list names its place.
  local function list_failure(d, failure)
    local kind = d.kind == 'pingback' and ':pingback' or ':postback'
    local function add(scope, field, value)
      local key = base .. 'errors' .. scope .. kind
      local id = call('XADD', key, 'MAXLEN', '~', text(scope == '' and FAILURES_MAX or FAILURES_OF_ACCOUNT_MAX), '*', field, value)
      call('PEXPIRE', key, text(FAILURES_MS))
      return id
    end
    if not d.account then return add('', 'attempt', failure) end
    add('', 'of', d.account .. ' ' .. add('@' .. d.account, 'attempt', failure))
  end

  local VERDICT = {}

  local GIVEN_BACK = {release = true, defer = true, unknown = true}
  for verdict in pairs(SUCCESS) do
    VERDICT[verdict] = function(d) finish(d, 'done', done_ms, dedup_ms, verdict) end
  end

  function VERDICT.dead(d)
    finish(d, 'dead', dead_ms, dedup_ms, 'dead')
  end

  function VERDICT.retry(d, lane, wait_ms)
    delivery_set(d, 'state', 'retry')
    local due = text(now_ms + wait_ms)
    delivery_set(d, 'due_at', due)
    call('ZADD', base .. 'retry', due, d.id)
    if lane.order == 'fifo' then
      lane.hold, lane.hold_until = d.id, now + wait_ms * 1000
    end
  end

  -- Both give the attempt back, which was not made: release to the head of the list, defer for later.
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

  local COUNTED = 16 -- added to the reply

  -- The origin asked to wait. The attempt is given back, for a day since the first such answer of this attempt. After that it is
  -- counted as failed.
  function VERDICT.wait(d, lane, wait_ms, o)
    local first = tonumber(d.told or now_ms)
    if now_ms >= first + DAY_MS then
      VERDICT[o.counted](d, lane, wait_ms)
      return COUNTED
    end
    delivery_set(d, 'attempts', text(tonumber(d.attempts) - 1))
    if not d.told or first > now_ms then delivery_set(d, 'told', now_text) end
    if d.fan == nil then delivery_set(d, 'fan', '1') end
    local e = origin_load(lane, origin_name(d.destination, d.origin))
    if lane.order == 'fifo' then
      VERDICT.retry(d, lane, math.max(0, e.till - now_ms))
    else
      origin_aside(lane, e, d, e.till)
    end
  end

  -- The dispatcher does not know the destination. Whichever does writes the row of it again; see claim.lua. The attempt is given back.
  function VERDICT.unknown(d, lane)
    call('HDEL', base .. 'limits', d.destination)
    VERDICT.release(d, lane, 0)
  end

  -- The delivery as delivery_load returns it. V has state, fence and fan; the rest comes from the outcome.
  local function claimed(id, key, o, v)
    local d = {id = id, key = key, change = {}, state = v[1], fence = v[2], sent = o.is_reported and v[4], lane = o.lane,
      destination = o.destination, kind = o.kind, account = o.account, attempts = o.attempt, delay_ms = o.delay_ms, origin = o.origin}
    if not d.kind then -- the dispatcher does not know the destination
      local stored = call('HMGET', key, 'kind', 'account')
      d.kind, d.account = stored[1], stored[2] or nil
    end
    delivery_read_rare(d, v[3])
    return d
  end

  -- Records the outcome O of the claim FENCE, which has not ended. Returns what settle replies beside 1.
  local function settle_claim(id, key, fence, o, v, duration, response, attempt, failed)
    local d, verdict = claimed(id, key, o, v), o.verdict
    local lane = unclaim(d, o.left)
    local circuit = origin_judge(lane, origin_name(d.destination, d.origin), tonumber(fence), o.unreachable, o.status ~= '0' or o.left, o.told_ms)
    if not GIVEN_BACK[verdict] then remember(d, o, duration, response, attempt) end
    local counted = VERDICT[verdict](d, lane, o.wait_ms, o) or 0
    delivery_save(d)
    if d.told and (counted ~= 0 or verdict == 'retry') then call('HDEL', d.key, 'told') end -- the next attempt has a day of its own
    if failed ~= '' and (verdict ~= 'wait' or counted ~= 0) then list_failure(d, failed) end
    return circuit + counted
  end

  -- Records a success whose claim is no more. Returns whether it ended the delivery.
  local function settle_late(id, key, fence, o, v, duration, response, attempt)
    local d = claimed(id, key, o, v)
    if not end_waiting(d, fence) then return false end
    d.listed = true -- this was the first attempt, but later ones may have been listed
    remember(d, o, duration, response, attempt)
    finish(d, 'done', done_ms, dedup_ms, o.verdict)
    delivery_save(d)
    return true
  end

  return settle_claim, settle_late
end

local settle_claim, settle_late -- once a result needs them
local args, results, at = ARGV, {}, 5
local last = #args
while at <= last do
  local id, fence, written, duration, response = args[at], args[at + 1], args[at + 2], args[at + 3], args[at + 4]
  at = at + 5
  local o = outcomes[written] or read_outcome(written)
  local attempt, failed = '', ''
  if o.has_attempt then attempt, at = args[at], at + 1 end
  if o.has_failure then failed, at = args[at], at + 1 end
  local key = DELIVERY .. id
  local v = o.is_reported and call('HMGET', key, 'state', 'fence', 'fan', 'sent') or call('HMGET', key, 'state', 'fence', 'fan')
  local result = 0
  if v[1] == 'inflight' and v[2] == fence then
    local lane = lane_load(o.lane)
    if o.is_plain and not v[3] and lane.trouble == 0 then
      settle_plain(lane, id, key, o, v, duration, response, attempt)
      result = 1
    else
      if not settle_claim then settle_claim, settle_late = not_plain() end
      result = 1 + settle_claim(id, key, fence, o, v, duration, response, attempt, failed)
    end
  elseif v[1] and SUCCESS[o.verdict] then
    if not settle_late then settle_claim, settle_late = not_plain() end
    if settle_late(id, key, fence, o, v, duration, response, attempt) then result = 2 end
  end
  results[#results + 1] = result
end
count_plain()
write_ended()
write_tasks()
schedule_all()
return {until_due({}), unpack(results)}
