#!lua
-- put: accepts events with all their deliveries of this partition (docs/internals/queue.md).
-- KEYS: lanes. ARGV: base, dedup_ms, done_ms, number of events. Then per event: the task's id, received_at, record, plan; and
-- the rest of the record and the name of its repeats, if the plan says that they follow.
--
-- Events with the same destinations share a plan, which is read once a call. An empty plan means that of the event before.
-- The first line of a plan has seven words:
--   kind       webhook, task or announcement
--   owner      the source, or the account of a task
--   fetch      the destination that fetched the event, or '*' (which is no name)
--   home       1 if this partition lists and counts the event, else 0
--   named      1 if the record names the task's id
--   rest       1 if the rest of the record is an argument of its own
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
--   2      no free revision
--   3      the id is taken
--   4, 5   the account has reached its quota of tasks, of bytes
-- Any other number: the event is a duplicate of the one that came at that moment (ms). If dead deliveries of that event were queued again: the moment, and how many; if more are dead, also
-- the event's key and how many of its destinations were passed, for requeue.lua.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_resend.lua
--@include lib_repeat.lua
--@include lib_words.lua
local dedup_ms, done_ms = tonumber(ARGV[2]), tonumber(ARGV[3])
looks = 4
local at = 5
local function arg()
  local value = ARGV[at]
  at = at + 1
  return value
end

-- An event may be known by a name. The name's key has the moment when the event came, and the key under which it is
-- stored.
local function remember(key, received, event) call('SET', key, received .. ' ' .. event, 'PX', dedup_ms) end
local function recall(key)
  local known = call('GET', key)
  if known then return string.match(known, '^(%d+) (.*)$') end
end

-- The key under which an event of task ID is stored.
local function event_key(plan, id) return plan.kind == 'announcement' and announced_key(id) or id end

-- Another event has this id. Stores the record under the task id "<id>~<n>" and returns that; the record names the id itself.
local function store_revision(plan, id, record, options)
  local counter = base .. 'revisions:' .. id
  if not plan.is_named then
    local head, rest = string.match(record, '^([^\n]*\n)(.*)$')
    record = head .. 'i ' .. id .. '\n' .. rest
  end
  for _ = 1, 100 do
    local task = id .. '~' .. (call('INCR', counter) + 1)
    call('PEXPIRE', counter, math.max(done_ms, dedup_ms))
    if call('SET', base .. 'event:' .. event_key(plan, task), record, 'NX', unpack(options)) then return task end
  end
end

-- By this name a second announcement is known again, if the first is kept beside another source's.
local function announced_name(plan, id) return base .. 'announced:' .. plan.owner .. ':' .. id end

-- The id is taken. Returns what `accept` returns. NAMED: the key by which a repeat of the event is known, or nil.
local function accept_beside(plan, id, named, received, record, options, old)
  local same = identity(id, record)
  if plan.kind == 'announcement' then
    named = announced_name(plan, id)
  elseif not named and not plan.never_repeats then
    local known, first = identity(id, old)
    if known == same and tonumber(received) - tonumber(first) < dedup_ms then return nil, first, id end
    local before, event = recall(dedup_key(same))
    if before then return nil, before, event end
  end
  local task = store_revision(plan, id, record, options)
  -- The record under the id is another event's, so it cannot show that this one is repeated.
  if task and not plan.never_repeats then remember(named or dedup_key(same), received, event_key(plan, task)) end
  return task
end

local NOTHING = {}

-- A second task of the API cannot be kept beside the first.
local function refuse_beside(id, record, old)
  local same, received = identity(id, record)
  local known, first = identity(id, old)
  if known == same then return nil, first or received end
  return nil, nil, nil, true
end

-- RECORD is the beginning of a record. Returns when it came, if it came from the plan's source. An account may have the same
-- name as a source.
local function is_of_source(plan, record)
  local first, _, kind, owner = read_record(record)
  if owner == plan.owner and kind ~= 'task' then return first end
end

-- A second announcement by the same source is a repeat, whatever its digest. If the event itself is here, nothing needs to be
-- fetched. Other sources may use the same ids. Returns when the first came, and its key.
local function announced_before(plan, id)
  for _, key in ipairs({announced_key(id), id}) do
    local first = is_of_source(plan, call('GETRANGE', base .. 'event:' .. key, 0, 255))
    if first then return first, key end
  end
  return recall(announced_name(plan, id))
end

-- The key by which a repeat of the event is known. Nil if its id and body decide.
local function repeat_key(plan, id, name)
  if plan.fetch then return fetched_key(plan.owner, id) end
  return name and dedup_key(plan.owner .. ':' .. name)
end

local usages = {} -- account -> what it keeps: tasks and bytes, and when this call began

-- Takes off what has expired.
local ENDS_MAX = 200
local function usage_of(account)
  local u = usages[account]
  if u then return u end
  local usage, ends = base .. 'usage:' .. account, base .. 'ends:' .. account
  for _, at in ipairs(call('ZRANGEBYSCORE', ends, '-inf', now_text, 'LIMIT', 0, ENDS_MAX)) do
    local v = call('HMGET', usage, 't:' .. at, 'b:' .. at)
    call('HINCRBY', usage, 'tasks', -(tonumber(v[1]) or 0))
    call('HINCRBY', usage, 'bytes', -(tonumber(v[2]) or 0))
    call('HDEL', usage, 't:' .. at, 'b:' .. at)
    call('ZREM', ends, at)
  end
  local v = call('HMGET', usage, 'tasks', 'bytes')
  u = {tasks = tonumber(v[1]) or 0, bytes = tonumber(v[2]) or 0}
  usages[account] = u
  return u
end

-- Would N more tasks and BYTES more be over a quota of the plan's account? Returns the code to reply, or nil.
local function over_quota(plan, n, bytes)
  local u = usage_of(plan.account)
  if plan.max_tasks and n > 0 and plan.max_tasks > 0 and u.tasks + n > plan.max_tasks then return 4 end
  if plan.max_bytes and bytes > 0 and plan.max_bytes > 0 and u.bytes + bytes > plan.max_bytes then return 5 end
end

local function use_more(account, n, bytes)
  local u, change = usage_of(account), use_of(account)
  u.tasks, u.bytes = u.tasks + n, u.bytes + bytes
  change.tasks, change.bytes, change.held = change.tasks + n, change.bytes + bytes, change.held + n
end

-- Stores the event. Returns the id of its task; for a repeat nil, when the first came, and the key of the first; if the id is
-- taken nil, nil, nil, true. An event without deliveries expires from now on.
local function accept(plan, id, name, received, record)
  local kept = plan.kept
  local options = kept or NOTHING
  local known = repeat_key(plan, id, name)
  if known or done_ms < dedup_ms and not plan.never_repeats then
    local before, event = recall(known or dedup_key(identity(id, record)))
    if before then return nil, before, event end
  end
  if plan.kind == 'announcement' then
    local before, event = announced_before(plan, id)
    if before then return nil, before, event end
  end
  local over = plan.account and over_quota(plan, 1, #record)
  if over and call('EXISTS', EVENT .. id) == 0 then return nil, nil, nil, over end
  local old = call('SET', base .. 'event:' .. event_key(plan, id), record, 'NX', 'GET', unpack(options))
  if old and plan.kind == 'task' then return refuse_beside(id, record, old) end
  if old and plan.fetch and plan.is_home and is_of_source(plan, old) then return nil, nil, nil, true end
  if old then return accept_beside(plan, id, known, received, record, options, old) end
  if plan.account then use_more(plan.account, 1, #record) end
  if kept and plan.account then expire_event(id, plan.account, kept[2]) end
  if known then
    remember(known, received, event_key(plan, id))
  elseif kept and done_ms < dedup_ms and not plan.never_repeats then
    remember(dedup_key(identity(id, record)), received, event_key(plan, id))
  end
  return id
end

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
  local kind, owner, fetch, home, named, rest, name, more, lines =
    string.match(written, '^(%S+) (%S+) (%S+) (%d) (%d) (%d) (%d)([^\n]*)\n(.*)$')
  local plan = {kind = kind, owner = owner, account = kind == 'task' and owner or nil, fetch = given(fetch), is_home = home == '1',
    is_named = named == '1', has_rest = rest == '1', has_name = name == '1', never_repeats = name == '2'}
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
      delay = delay, order = order == 'fifo' and 'fifo' or '', secret = given(secret)}
    plan.has_postback = plan.has_postback or does == 'postback'
  end
  plan.fan = kind == 'announcement' and 1 or #plan
  if plan.fan == 0 or plan.stage == 'pending' then plan.kept = {'PX', plan.stage == 'pending' and plan.pending_ms or done_ms} end
  plans[written] = plan
  return plan
end

-- Appends ID to the list of that name.
local function collect(lists, name, id)
  local ids = lists[name]
  if not ids then
    ids = {}
    lists[name] = ids
  end
  ids[#ids + 1] = id
end

-- The fields of a delivery, as they are when it is accepted.
local function write_delivery(plan, to, hash, received)
  local fields = {'state', 'queued', 'kind', to.kind, 'destination', to.destination, 'lane', to.lane, 'delay_ms', to.delay,
    'attempts', '0', 'requeues', '0', 'accepted_at', received}
  local n = #fields
  local function add(field, value)
    fields[n + 1], fields[n + 2] = field, value
    n = n + 2
  end
  if plan.account then add('account', plan.account) end
  if not plan.is_home or plan.fan > 1 then add('fan', text(plan.fan)) end
  if not plan.is_home then add('apart', 'guest') end
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
    lane = {ids = {}, delays = {}, order = to.order}
    lanes[to.lane] = lane
  end
  to.queued = lane
  return lane
end

local function queue_id(to, id, delay)
  local lane = to.queued or lane_of(to)
  local ids, delays = lane.ids, lane.delays
  ids[#ids + 1] = id
  delays[delay] = (delays[delay] or 0) + 1
  lane.order = to.order
end

-- TO: a delivery of the plan. KEY: the event's. Deliveries of one destination that were accepted in the same millisecond
-- are equal: Redis copies the first, which costs a fifth of writing it field by field.
local function add_delivery(plan, key, received, to)
  local id = key .. to.suffix
  local hash = DELIVERY .. id
  if to.received == received then
    call('COPY', to.first, hash, 'REPLACE')
  else
    write_delivery(plan, to, hash, received)
    to.first, to.received = hash, received
  end
  queue_id(to, id, to.delay)
  return hash
end

-- Writes what the fetch of an announcement needs: source and task, and the deliveries that follow when the result is here.
-- Their delays and secrets are captured now.
local function add_fetch(plan, hash, task)
  local lines = {}
  for i = 2, #plan do
    local to = plan[i]
    lines[i - 1] = to.destination .. ' ' .. to.delay .. ' ' .. (to.secret or '')
  end
  call('HSET', hash, 'source', plan.owner, 'task', task, 'then', table.concat(lines, '\n'))
  plan[1].received = nil -- no delivery is equal to this one
end

-- Is this the result of an announcement that had been given up? Its fetch was counted as failed then.
local function was_given_up(plan, task)
  local state = call('HGET', base .. 'delivery:' .. announced_key(task) .. ':' .. plan.fetch, 'state')
  return state == 'dead' or state == 'dropped'
end

local posted = {} -- scope -> ids, in the order in which they came

-- The property LETTER of a record's head, or nil.
local function property(record, letter)
  local at = string.find(record, '\n' .. letter .. ' ', 1, true)
  if at and at < string.find(record, '\n\n', 1, true) then return string.match(record, '^[^\n]*', at + 3) end
end

-- An event is in `posted`: by these words a search finds it. All events of a plan have the same destinations, of which a plan has
-- only those in this partition.
local words, tag_words = {}, {}
local function note_words(plan, record)
  if not plan.is_noted then
    plan.is_noted = true
    if not plan.account then words[#words + 1] = word_of('s', plan.owner) end
    for name in string.gmatch(property(record, 'o') or '', '%S+') do words[#words + 1] = word_of('d', name) end
    -- The result of an announcement is found under this entry too. The plan names its destinations behind the fetch.
    for i = 2, plan.kind == 'announcement' and #plan or 0 do words[#words + 1] = word_of('d', plan[i].destination) end
  end
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

-- The announced task's result is here.
local function count_fetched(plan, task)
  if was_given_up(plan, task) then
    uncount_failed(done_ms)
  else
    count_now(nil, 'announced', -1)
  end
end

-- Lists and counts a task whose result is here. Returns true if a webhook is still to bring the result, or all that there is.
local function count_complete(plan, task, record)
  local account = plan.account
  local has_body, path = true, nil
  if not plan.has_postback then has_body, path = head_facts(record) end
  if plan.has_postback or not has_body and plan.fan > 0 then
    count_now(account, 'sending', 1)
    return true
  end
  if has_body then
    list_task('ready', account, path, task, done_ms)
  else
    count_hour(account, 'fetched', done_ms)
  end
  if plan.fan == 0 then
    call('SET', base .. 'gone:' .. task, account or '', 'PX', text(done_ms + afterglow(done_ms)))
  end
  return false
end

-- Lists and counts an event that is new. RECORD: its head is enough. ANNOUNCED: the task id of its announcement, if a fetch
-- brought it. An event whose result is here and that has no postback can be fetched from now on. Returns true if a
-- webhook is still to bring the result, or all that there is.
local function count_task(plan, task, record, announced)
  if not plan.is_home then return false end
  local account = plan.account
  if plan.fetch then
    count_fetched(plan, announced)
  else
    collect(posted, '', task)
    note_words(plan, record)
    if account then collect(posted, '@' .. account, task) end
  end
  if plan.kind == 'announcement' then
    count_now(nil, 'announced', 1)
    return false
  end
  return count_complete(plan, task, record)
end

local function write_posted()
  for scope, ids in pairs(posted) do
    local key = base .. 'posted' .. scope
    local position = call('XADD', key, 'MINID', '~', text(now_ms - done_ms), '*', 'ids', table.concat(ids, ' '))
    if scope == '' then
      write_words('s', words, position)
      write_words('t', tag_words, position)
    end
    keep_key(key, done_ms)
  end
end

local repeated = {} -- number of the event -> key of the event that it repeats

-- Returns the reply for an event that was not accepted; BEFORE and TAKEN are what `accept` returned.
local function refusal(before, taken)
  if before then return tonumber(before) end
  return taken == true and 3 or taken or 2
end

-- Returns the function that puts pending tasks and results. Few calls need it: they make it, the others need not pay for it.
local function later()
--@include lib_open.lua
  -- Keeps a task without its result, and what its deliveries will be: their delays are captured now.
  local function put_pending(plan, id, received, record)
    local task, before, _, taken = accept(plan, id, nil, received, record)
    if not task then return refusal(before, taken) end
    local account, lines = plan.account, {}
    for i, to in ipairs(plan) do
      lines[i] = string.format('%s %s %s %s kept %s *\n', to.destination, to.kind, to.lane, to.delay,
        to.order == 'fifo' and 'fifo' or 'requeue')
    end
    open_task(account, id, table.concat(lines), plan.pending_ms)
    collect(posted, '', id)
    note_words(plan, record)
    collect(posted, '@' .. account, id)
    return 0
  end

  -- The result of a pending task is here: RECORD has it. RECEIVED: when the task was set.
  local function put_result(plan, id, received, record)
    local key = EVENT .. id
    local old = call('GETRANGE', key, 0, 255)
    local set, digest = read_record(old)
    local _, same = read_record(record)
    if set ~= received or digest ~= same or not is_open(old) then return 1 end
    local growth = #record - call('STRLEN', key)
    local over = over_quota(plan, 0, growth)
    if over then return over end
    keep_event(id, plan.account) -- takes its record off what expires
    use_more(plan.account, 0, growth)
    local lines = close_task(plan.account, id)
    if lines then
      local written = plan.first .. lines
      plan = plans[written] or read_plan(written)
    end
    call('SET', key, record)
    if plan.fan == 0 then expire_event(id, plan.account, done_ms) end
    local is_sending = count_complete(plan, id, record)
    if plan.fan > 1 then call('HSET', base .. 'pending:' .. id, 'n', text(plan.fan), 'is', is_sending and 'sending' or 'listed') end
    for n = 1, plan.fan do add_delivery(plan, id, now_text, plan[n]) end
    return 0
  end

  return function(plan, id, received, record)
    return (plan.stage == 'pending' and put_pending or put_result)(plan, id, received, record)
  end
end

local fresh = {} -- keys of the events that this call has stored
-- Redis may refuse a command in the middle of a call (rights were taken away). A repeat completes such a call: it
-- writes missing deliveries, and queues deliveries that are in no list. Only an event that is not over is looked at,
-- and only destinations that its record names: the repeat may have others. A delivery that is not there may be over and
-- expired. So of an event with several, as many are missing as `pending` counts more than are here.
local function complete(plan, event, received)
  local key = EVENT .. event
  if fresh[event] or plan.kind ~= 'webhook' or call('PTTL', key) ~= -1 then return end
  local named = ' ' .. (string.match(call('GETRANGE', key, 0, NAMES), '\no ([^\n]*)\n') or '') .. ' '
  local missing, left = {}, plan.fan > 1 and tonumber(call('HGET', base .. 'pending:' .. event, 'n') or 0) or 1
  for n = 1, plan.fan do
    local to = plan[n]
    local id = event .. to.suffix
    local v = string.find(named, ' ' .. to.destination .. ' ', 1, true) and
      call('HMGET', DELIVERY .. id, 'state', 'attempts', 'lane', 'delay_ms')
    if v and not v[1] then
      missing[#missing + 1] = to
    elseif v and v[1] ~= 'done' and v[1] ~= 'dead' and v[1] ~= 'dropped' then
      left = left - 1
      if v[1] == 'queued' and v[2] == '0' and v[3] == to.lane and not is_queued(QUEUE .. to.lane, id) then queue_id(to, id, v[4]) end
    end
  end
  for i = 1, math.min(left, #missing) do add_delivery(plan, event, received, missing[i]) end
end

-- The plan of the event before serves the next, if that has none.
local results, plan, put_later = {}
for i = 1, tonumber(ARGV[4]) do
  local id, received, record, written = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at = at + 4
  if written ~= '' then plan = plans[written] or read_plan(written) end
  if plan.has_rest then record = record .. arg() end
  local task, before, event, taken
  if plan.is_later then
    put_later = put_later or later()
    results[i] = put_later(plan, id, received, record)
  else
    task, before, event, taken = accept(plan, id, plan.has_name and arg() or nil, received, record)
  end
  if task then
    local key, fan = plan.kind == 'announcement' and announced_key(task) or task, plan.fan
    fresh[key] = true
    local is_sending = count_task(plan, task, record, id)
    if fan > 1 then call('HSET', base .. 'pending:' .. key, 'n', text(fan), 'is', is_sending and 'sending' or 'listed') end
    local hash
    for n = 1, fan do hash = add_delivery(plan, key, received, plan[n]) end
    if plan.kind == 'announcement' then add_fetch(plan, hash, task) end
    results[i] = task == id and 0 or -tonumber(string.sub(task, #id + 2))
  elseif not results[i] then
    results[i] = refusal(before, taken)
    if before and event and plan.kind ~= 'task' and not plan.fetch then
      repeated[i] = event
      complete(plan, event, received)
    end
  end
end

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

local function schedule(name, look)
  call('ZADD', base .. 'lanes', string.format('%.3f', look), name)
  woken = name
end

-- Queues on a lane that was empty: it enters `lanes`.
local function begin_lane(name, queued)
  local lane, known = lane_load(name), {}
  if lane.order ~= queued.order then call('HSET', lane.key, 'order', queued.order) end
  count_delays(name, queued.delays)
  for delay, n in pairs(queued.delays) do known[tonumber(delay)] = n end
  lane.known = known
  schedule(name, lane_look(lane) / 1000)
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
    local look = lane_look(lane_load(name)) / 1000
    if not score or look < score and score > now / 1000 then schedule(name, look) end
  end
end

for name, queued in pairs(lanes) do
  if push(name, queued.ids) == #queued.ids then begin_lane(name, queued) else extend_lane(name, queued) end
end
for i, event in pairs(repeated) do
  local n, reached = queue_dead(event, 0, done_ms)
  if reached then
    results[i] = {results[i], n, event, reached}
  elseif n > 0 then
    results[i] = {results[i], n}
  end
end
write_posted()
write_tasks()
wake()
return results
