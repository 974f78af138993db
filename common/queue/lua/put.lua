#!lua
-- put: accepts events with all their deliveries of this partition (docs/internals/queue.md).
-- KEYS: lanes. ARGV: base, dedup_ms, done_ms, number of events. Then per event: the task's id, received_at, record, plan; and
-- the name of its staged key and the name of its repeats, if the plan says that they follow.
--
-- Events with the same destinations share a plan, which is read once a call. An empty plan means that of the event before.
-- The first line of a plan has seven words:
--   kind       webhook, task or announcement
--   owner      the source, or the account of a task
--   fetch      the destination that fetched the event, or '*' (which is no name)
--   home       1 if this partition lists and counts the event, else 0
--   named      1 if the record names the task's id
--   staged     1 if the record is large: RECORD has its head only, and a key has all of it
--   repeats    1 if a name is given by which a repeat is known; 0 if the source, id and body decide; 2 if nothing is a repeat
-- Of a task four more words follow:
--   stage      whole: with its result; pending: the result comes later; result: it is here, for a task that was pending
--   pending ms how long a task is kept without its result
--   max tasks  the account's quotas: most tasks
--   max bytes  and most bytes of their records. 0: no limit
-- Each further line is a delivery:
--   destination, kind (postback, pingback, fetch), lane
--   delay in ms, and whose it is: own (the destination's), top (everybody's) or kept (captured by an earlier put)
--   order      requeue or fifo
--   secret     of an announcement: the id of the signing secret, or '*'
-- The first delivery of an announcement fetches the result. The others are put when the result is here. A pending task gets its
-- deliveries when its result is here, as its plan says now; the plan that comes with the result counts only if the first is lost.
--
-- Replies a number per event:
--   0      queued
--   -n     queued as the nth event of its id ("<id>~<n>")
--   1      the task does not wait for this result
--   2      no free revision, or nothing is staged
--   3      the id is taken
--   4, 5   the account has reached its quota of tasks, of bytes
-- Any other number: the event is a duplicate of the one that came at that moment (ms). If dead deliveries of that event were queued again: the moment, and how many; if more are dead, also
-- the event's key and how many of its destinations were passed, for requeue.lua.
--@include lib_lane.lua
--@include lib_words.lua
--@scope
local arguments = ARGV -- Lua searches for a global by its name, at each use
local dedup_ms, done_ms, count = tonumber(arguments[2]), tonumber(arguments[3]), tonumber(arguments[4])

-- A delay that was set while running wins over the one that the receiver read from its configuration.
local settings
local function delay_in_force(plan, destination, delay, whose)
  if whose == 'kept' then return delay end
  if settings == nil then
    local all = call('HGETALL', base .. 'settings')
    settings = #all > 0 and {}
    for i = 1, #all, 2 do settings[all[i]] = all[i + 1] end
  end
  if not settings then return delay end
  local own = settings[plan.account and 'delay:account:' .. plan.account or 'delay:destination:' .. destination]
  return own or whose == 'top' and settings.delay or delay
end

local function given(word) return word ~= '*' and word or nil end

local plans = {} -- text -> plan: the words of its first line by name, and its deliveries as a list
local function read_plan(written)
  local kind, owner, fetch, home, named, staged, name, more, lines =
    string.match(written, '^(%S+) (%S+) (%S+) (%d) (%d) (%d) (%d)([^\n]*)\n(.*)$')
  local plan = {kind = kind, owner = owner, account = kind == 'task' and owner or nil, fetch = given(fetch), is_home = home == '1',
    is_named = named == '1', is_staged = staged == '1', has_name = name == '1', never_repeats = name == '2', has_postback = false,
    is_noted = false, is_ordinary = false, fan = 0}
  if more ~= '' then
    local stage, pending_ms, max_tasks, max_bytes = string.match(more, '^ (%S+) (%d+) (%d+) (%d+)$')
    plan.max_tasks, plan.max_bytes = tonumber(max_tasks), tonumber(max_bytes)
    plan.stage, plan.pending_ms, plan.is_later = stage, tonumber(pending_ms), stage ~= 'whole'
    plan.first = string.match(written, '^[^\n]*\n')
  end
  for destination, does, lane, delay, whose, order, secret in
    string.gmatch(lines, '(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)\n') do
    delay = delay_in_force(plan, destination, delay, whose)
    plan[#plan + 1] = {destination = destination, kind = does, suffix = ':' .. destination, lane = lane,
      delay = delay, order = order == 'fifo' and 'fifo' or '', secret = given(secret), queued = false, first = false, received = false}
    plan.has_postback = plan.has_postback or does == 'postback'
  end
  plan.fan = kind == 'announcement' and 1 or #plan
  if plan.fan == 0 or plan.stage == 'pending' then plan.kept = {'PX', plan.stage == 'pending' and plan.pending_ms or done_ms} end
  plan.is_ordinary = kind == 'webhook' and plan.fan > 0 and (plan.has_postback or not plan.is_home) and
    not (plan.fetch or plan.is_staged or plan.has_name) and (done_ms >= dedup_ms or plan.never_repeats)
  plans[written] = plan
  return plan
end

-- The fields of a delivery, as they are when it is accepted.
local function write_delivery(plan, to, hash, received)
  local fields = {'state', 'queued', 'kind', to.kind, 'destination', to.destination, 'lane', to.lane, 'delay_ms', to.delay,
    'attempts', '0', 'requeues', '0', 'accepted_at', received}
  local n = #fields
  if plan.account then
    fields[n + 1], fields[n + 2] = 'account', plan.account
    n = n + 2
  end
  if not plan.is_home or plan.fan > 1 then
    fields[n + 1], fields[n + 2] = 'fan', text(plan.fan)
    n = n + 2
  end
  if not plan.is_home then
    fields[n + 1], fields[n + 2] = 'apart', 'guest'
    n = n + 2
  end
  -- A delivery outlives its event. The delivery of an earlier event with this id may still be here, with an expiry.
  if call('HSET', hash, unpack(fields)) < n / 2 then
    call('DEL', hash)
    call('HSET', hash, unpack(fields))
  end
end

local lanes = {} -- name -> what this call queues there: ids, and how many per delay
local function lane_of(to)
  local lane = lanes[to.lane]
  if not lane then
    lane = {ids = {}, count = 0, delays = {}, order = to.order}
    lanes[to.lane] = lane
  end
  to.queued = lane
  return lane
end

local function queue_id(to, id, delay)
  local lane = to.queued or lane_of(to)
  local n, delays = lane.count + 1, lane.delays
  lane.ids[n], lane.count = id, n
  delays[delay] = (delays[delay] or 0) + 1
  lane.order = to.order
end

-- TO: a delivery of the plan. KEY: the event's. Deliveries of one destination that were accepted in the same millisecond
-- are equal: Redis copies the first, which costs a fifth of writing it field by field.
local function add_delivery(plan, key, received, to)
  local id = key .. to.suffix
  local hash = DELIVERY .. id
  if to.received == received then
    if call('COPY', to.first, hash) == 0 then call('COPY', to.first, hash, 'REPLACE') end -- as above: that of an earlier event
  else
    write_delivery(plan, to, hash, received)
    to.first, to.received = hash, received
  end
  queue_id(to, id, to.delay)
  return hash
end

-- N of several deliveries of the event KEY are not over. IS_SENDING: what count_task of lib_accept.lua returns.
local function begin_pending(key, n, is_sending)
  call('HSET', base .. 'pending:' .. key, 'n', text(n), 'is', is_sending and 'sending' or 'listed')
end

-- Adds all deliveries of an event. Returns the key of the last. IS_SENDING: as begin_pending.
local function add_deliveries(plan, key, received, is_sending)
  local hash
  if plan.fan > 1 then begin_pending(key, plan.fan, is_sending) end
  for n = 1, plan.fan do hash = add_delivery(plan, key, received, plan[n]) end
  return hash
end

local posted = {} -- ids, in the order in which they came
local posted_of = {} -- the same by account

-- The property LETTER of a record's head, or nil.
local function property(record, letter)
  local at = string.find(record, '\n' .. letter .. ' ', 1, true)
  if at and at < string.find(record, '\n\n', 1, true) then return string.match(record, '^[^\n]*', at + 3) end
end

-- An event is in `posted`: by these words a search finds it. All events of a plan have the same destinations, of which a plan has
-- only those in this partition.
local words, tag_words, find = {}, {}, string.find
local function note_words(plan, record)
  if not plan.is_noted then
    plan.is_noted = true
    if not plan.account then words[#words + 1] = word_of('s', plan.owner) end
    for name in string.gmatch(property(record, 'o') or '', '%S+') do words[#words + 1] = word_of('d', name) end
    -- The result of an announcement is found under this entry too. The plan names its destinations behind the fetch.
    for i = 2, plan.kind == 'announcement' and #plan or 0 do words[#words + 1] = word_of('d', plan[i].destination) end
  end
  if not find(record, '\nt ', 1, true) then return end -- of nearly all events this is all that is done
  local tag = property(record, 't')
  if tag then tag_words[#tag_words + 1] = word_of('t', tag) end
end

-- POSITION: that of the entry of `posted` that this call has written.
local function write_words(kind, list, position)
  if #list == 0 then return end
  local ms, number = string.match(position, '^(%d+)%-(%d+)$')
  local minute = math.floor(ms / MINUTE_MS)
  local at = struct.pack('>I2I2', ms - minute * MINUTE_MS, math.min(number, 65535))
  local records = table.concat(list, at) .. at
  local key = words_key(kind, minute)
  if call('APPEND', key, records) == #records then call('PEXPIRE', key, text(done_ms + MINUTE_MS)) end
end

-- Lists the task among all that were set.
local function post(plan, task, record)
  posted[#posted + 1] = task
  note_words(plan, record)
  local account = plan.account
  if account then
    local ids = posted_of[account] or {}
    posted_of[account] = ids
    ids[#ids + 1] = task
  end
end

local function write_ids(key, ids)
  local position = call('XADD', key, 'MINID', '~', text(now_ms - done_ms), '*', 'ids', table.concat(ids, ' '))
  keep_key(key, done_ms)
  return position
end

local function write_posted()
  if #posted > 0 then
    local position = write_ids(base .. 'posted', posted)
    write_words('s', words, position)
    write_words('t', tag_words, position)
  end
  for account, ids in pairs(posted_of) do write_ids(base .. 'posted@' .. account, ids) end
end

local sending = 0 -- ordinary events of this call that are counted here
local function write_sending()
  local key = base .. 'counts'
  if sending > 0 and call('HINCRBY', key, 'sending', text(sending)) == 0 then call('HDEL', key, 'sending') end
end

local results, repeated = {}, {} -- number of the event -> its reply; the key of the event that it repeats
local fresh = {} -- keys of the events that this call has stored

-- Lua makes the functions of a script anew at each call. Calls with ordinary events alone do not need the functions of lib_accept.lua.
local put_one, end_others
local function make_others()
--@include lib_accept.lua
end

-- Nearly all events are ordinary: webhooks with a postback, whose ids and bodies decide what is a repeat. Redis stores a run of them by one
-- command. This command stores nothing if one of the ids is taken; then each event is looked at by itself.
local run, run_ids, records = {}, {}, {} -- the plans of a run; its ids; what MSETNX gets

local function queue_ordinary(i, plan, id, received, record)
  fresh[id] = true
  if plan.is_home then
    sending = sending + 1
    post(plan, id, record)
  end
  add_deliveries(plan, id, received, plan.is_home)
  results[i] = 0
end

-- BEHIND and AT: the event behind the run, and where its arguments begin. An ordinary event has four.
local function end_run(behind, at)
  local n = #run
  if n == 0 then return end
  local are_new = call('MSETNX', unpack(records)) == 1
  if not are_new and not put_one then make_others() end
  local put = are_new and queue_ordinary or put_one
  local i, first = behind - n, at - 4 * n
  for k = 1, n do
    put(i, run[k], arguments[first], arguments[first + 1], arguments[first + 2])
    i, first = i + 1, first + 4
  end
  run, run_ids, records = {}, {}, {}
end

-- An event without a plan has that of the event before.
local at, plan = 5
for i = 1, count do
  local id, record, written = arguments[at], arguments[at + 2], arguments[at + 3]
  if written ~= '' then plan = plans[written] or read_plan(written) end
  if not plan.is_ordinary or run_ids[id] then end_run(i, at) end
  if plan.is_ordinary then
    local n = #run + 1
    run[n], run_ids[id] = plan, true
    records[2 * n - 1], records[2 * n] = EVENT .. id, record
    at = at + 4
  else
    local received, name, staged = arguments[at + 1], nil, nil
    at = at + 4
    if plan.is_staged then
      staged = base .. 'staged:' .. arguments[at]
      at = at + 1
    end
    if plan.has_name then
      name = arguments[at]
      at = at + 1
    end
    if not put_one then make_others() end
    put_one(i, plan, id, received, record, name, staged)
  end
end
end_run(count + 1, at)

-- Appends to a lane's queue. Returns how many it then has.
local PUSH_MAX = 1000
local function push(name, ids)
  local length
  for from = 1, #ids, PUSH_MAX do
    length = call('RPUSH', QUEUE .. name, unpack(ids, from, math.min(#ids, from + PUSH_MAX - 1)))
  end
  return length
end

-- Counts what was queued. True if the lane had nothing of one of these delays, so that its next moment may be earlier.
local function count_delays(name, delays)
  local may_be_earlier = false
  for delay, n in pairs(delays) do
    if call('HINCRBY', DELAYS .. name, delay, text(n)) == n then may_be_earlier = true end
  end
  return may_be_earlier
end

local due = {} -- scores in `lanes`, and lanes
local function schedule(name, look)
  -- Redis reads a whole number several times as fast as one with a fraction.
  due[#due + 1] = look > now and string.format('%.3f', look / 1000) or now_text
  due[#due + 1] = name
  woken = name
end

-- Queues on a lane that was empty: it enters `lanes`.
local function begin_lane(name, queued)
  local lane, known = lane_load(name), {}
  if lane.order ~= queued.order then call('HSET', lane.key, 'order', queued.order) end
  count_delays(name, queued.delays)
  for delay, n in pairs(queued.delays) do known[tonumber(delay)] = n end
  lane.known = known
  schedule(name, lane_look(lane))
end

-- Queues on a lane that has work already. At most this brings the lane forward: whatever holds it still holds it. The moment
-- of a lane that is further away than the longest delay is looked at again: Redis' clock may have been set back.
local DELAY_MAX = 1000
local function extend_lane(name, queued)
  local key, order = base .. 'lane:' .. name, queued.order
  if (call('HGET', key, 'order') or '') ~= order then call('HSET', key, 'order', order) end
  local may_be_earlier = count_delays(name, queued.delays)
  local score = tonumber(call('ZSCORE', base .. 'lanes', name))
  if may_be_earlier or not score or score > now / 1000 + DELAY_MAX then
    local look = lane_look(lane_load(name))
    if not score or look / 1000 < score and score > now / 1000 then schedule(name, look) end
  end
end

for name, queued in pairs(lanes) do
  if push(name, queued.ids) == queued.count then begin_lane(name, queued) else extend_lane(name, queued) end
end
if #due > 0 then call('ZADD', base .. 'lanes', unpack(due)) end
write_posted()
write_sending()
if end_others then end_others() end
wake()
return results
