-- lib_accept: accepts any event, also one that is not ordinary (put.lua): a task, an announcement or its result, a repeat, an event whose
-- id is taken. Part of put, which makes these functions only if a call needs them. Sets put_one and end_others.
--@include lib_record.lua
--@include lib_tasks.lua
-- An event may be known by a name. The name's key has the moment when the event came, and the key under which it is
-- stored.
local function remember(key, received, event) call('SET', key, received .. ' ' .. event, 'PX', dedup_ms) end
local function recall(key)
  local known = call('GET', key)
  if known then return string.match(known, '^(%d+) (.*)$') end
end

-- The key under which an event of task ID is stored.
local function event_key(plan, id) return plan.kind == 'announcement' and announced_key(id) or id end

-- A large record is written under the key STAGED before this script runs: Lua would copy and hash all of it. Here it gets its
-- name. RECORD then is its head only.

-- Gives a staged record the name KEY by COMMAND, and returns what that replies. KEEP_MS: how long the record is kept; nil: it does
-- not expire. Its expiry changes first: if Redis refused that afterwards, a record that counts as stored would be gone in a minute.
local STAGED_MS = '60000' -- as redis_scripts.c stages it
local function unstage(command, staged, key, keep_ms)
  if keep_ms then call('PEXPIRE', staged, text(keep_ms)) else call('PERSIST', staged) end
  local reply = redis.pcall(command, staged, key)
  if type(reply) ~= 'table' or not reply.err then return reply end
  call('PEXPIRE', staged, STAGED_MS)
  error(reply)
end

-- Stores RECORD under KEY if nothing is there. Returns false if something is.
local function store(key, record, staged, options)
  if staged then return unstage('RENAMENX', staged, key, options[2]) == 1 end
  return call('SET', key, record, 'NX', unpack(options))
end

-- The beginning of the record that has KEY: as much as read_record reads.
local function head_of(key) return call('GETRANGE', key, 0, 255) end

-- Another event has this id. Stores the record under the task id "<id>~<n>" and returns that; the record names the id itself.
local function store_revision(plan, id, record, staged, options)
  local counter = base .. 'revisions:' .. id
  if not plan.is_named then
    local head, rest = string.match(record, '^([^\n]*\n)(.*)$')
    record = head .. 'i ' .. id .. '\n' .. rest
  end
  for _ = 1, 100 do
    local task = id .. '~' .. (call('INCR', counter) + 1)
    call('PEXPIRE', counter, math.max(done_ms, dedup_ms))
    if store(EVENT .. event_key(plan, task), record, staged, options) then return task end
  end
end

-- By this name a second announcement is known again, if the first is kept beside another source's.
local function announced_name(plan, id) return base .. 'announced:' .. plan.owner .. ':' .. id end

-- The id is taken. Returns what `accept` returns. NAMED: the key by which a repeat of the event is known, or nil.
local function accept_beside(plan, id, named, received, record, staged, options, old)
  local same = identity(id, record)
  if plan.kind == 'announcement' then
    named = announced_name(plan, id)
  elseif not named and not plan.never_repeats then
    local known, first = identity(id, old)
    if known == same and tonumber(received) - tonumber(first) < dedup_ms then return nil, first, id end
    local before, event = recall(dedup_key(same))
    if before then return nil, before, event end
  end
  local task = store_revision(plan, id, record, staged, options)
  -- The record under the id is another event's, so it cannot show that this one is repeated.
  if task and not plan.never_repeats then remember(named or dedup_key(same), received, event_key(plan, task)) end
  return task
end

local NOTHING = {}

-- A second task of the API cannot be kept beside the first.
local function refuse_beside(id, record, old)
  local same, received = identity(id, record)
  local known, first = identity(id, old)
  if known == same then return nil, first or received, id end
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
    local first = is_of_source(plan, head_of(EVENT .. key))
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
-- taken nil, nil, nil (the key, if the event itself has it), true. An event without deliveries expires from now on.
local function accept(plan, id, name, received, record, staged)
  local kept, key = plan.kept, EVENT .. event_key(plan, id)
  local options, size = kept or NOTHING, staged and call('STRLEN', staged) or #record
  local known = repeat_key(plan, id, name)
  if known or done_ms < dedup_ms and not plan.never_repeats then
    local before, event = recall(known or dedup_key(identity(id, record)))
    if before then return nil, before, event end
  end
  if plan.kind == 'announcement' then
    local before, event = announced_before(plan, id)
    if before then return nil, before, event end
  end
  local over = plan.account and over_quota(plan, 1, size)
  if over and call('EXISTS', EVENT .. id) == 0 then return nil, nil, nil, over end
  local old = not store(key, record, staged, options) and head_of(key)
  if old and plan.kind == 'task' then return refuse_beside(id, record, old) end
  if old and plan.fetch and plan.is_home and is_of_source(plan, old) then return nil, nil, id, true end
  if old then return accept_beside(plan, id, known, received, record, staged, options, old) end
  if plan.account then use_more(plan.account, 1, size) end
  if kept and plan.account then expire_event(id, plan.account, kept[2]) end
  if known then
    remember(known, received, event_key(plan, id))
  elseif kept and done_ms < dedup_ms and not plan.never_repeats then
    remember(dedup_key(identity(id, record)), received, event_key(plan, id))
  end
  return id
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
  if plan.fetch then
    count_fetched(plan, announced)
  elseif plan.stage ~= 'result' then -- a pending task is listed already
    post(plan, task, record)
  end
  if plan.kind == 'announcement' then
    count_now(nil, 'announced', 1)
    return false
  end
  return count_complete(plan, task, record)
end

-- Returns the reply for an event that was not accepted; BEFORE and TAKEN are what `accept` returned.
local function refusal(before, taken)
  if before then return tonumber(before) end
  return taken == true and 3 or taken or 2
end

-- Returns two functions for repeats. Few calls need them.
local function repeats()
--@include lib_resend.lua
--@include lib_repeat.lua
  looks = 4
  -- Redis may refuse a command in the middle of a call (rights were taken away). A repeat completes such a call: it
  -- writes missing deliveries, and queues deliveries that are in no list. Only an event that is not over is looked at,
  -- and only destinations that its record names: the repeat may have others. If none of several deliveries is here and
  -- `pending` neither, the call got no further than the record: the task is listed and counted now. Else a delivery that
  -- is not here may be over and expired, so as many are missing as `pending` counts more than are here.
  -- ANNOUNCED: as count_task.
  local function complete_cut(plan, event, received, record, announced)
    local key = EVENT .. event
    if fresh[event] or call('PTTL', key) ~= -1 then return end
    local named = ' ' .. (string.match(call('GETRANGE', key, 0, NAMES), '\no ([^\n]*)\n') or '') .. ' '
    local counted_open = plan.fan > 1 and tonumber(call('HGET', base .. 'pending:' .. event, 'n'))
    local missing, here, open = {}, 0, 0
    for n = 1, plan.fan do
      local to = plan[n]
      local id = event .. to.suffix
      local v = string.find(named, ' ' .. to.destination .. ' ', 1, true) and
        call('HMGET', DELIVERY .. id, 'state', 'attempts', 'lane', 'delay_ms')
      if v and not v[1] then
        missing[#missing + 1] = to
      elseif v then
        here = here + 1
        if v[1] ~= 'done' and v[1] ~= 'dead' and v[1] ~= 'dropped' then open = open + 1 end
        if v[1] == 'queued' and v[2] == '0' and v[3] == to.lane and not is_queued(QUEUE .. to.lane, id) then queue_id(to, id, v[4]) end
      end
    end
    local left = counted_open and counted_open - open or 0
    if #missing > 0 and here == 0 and not counted_open then
      local is_sending = count_task(plan, event, record, announced)
      if plan.account then use_more(plan.account, plan.stage == 'result' and 0 or 1, call('STRLEN', key)) end
      left = #missing
      if plan.fan > 1 then begin_pending(event, left, is_sending) end
    end
    for i = 1, math.min(left, #missing) do
      local hash = add_delivery(plan, event, received, missing[i])
      if plan.kind == 'announcement' then add_fetch(plan, hash, announced_task(event)) end
    end
  end

  return complete_cut, queue_dead
end

local complete_cut, queue_dead
local function complete(...)
  if not complete_cut then complete_cut, queue_dead = repeats() end
  complete_cut(...)
end

-- Returns the function that puts pending tasks and results. Few calls need it: they make it, the others need not pay for it.
local function later()
--@include lib_open.lua
  -- Did Redis refuse a command in the middle of the call that set this pending task? Then it is in no list of the account's.
  local function is_unlisted(id, account)
    local scope = '@' .. account -- the last one that open_task writes
    return is_open(head_of(EVENT .. id)) and not call('ZSCORE', open_key(scope), id) and not call('ZSCORE', taken_key(scope), id)
  end

  -- Keeps a task without its result, and what its deliveries will be: their delays are captured now.
  local function put_pending(plan, id, received, record, staged)
    local account, lines = plan.account, {}
    local task, before, _, taken = accept(plan, id, nil, received, record, staged)
    if not task and not (before and is_unlisted(id, account)) then return refusal(before, taken) end
    if not task then
      use_more(account, 1, call('STRLEN', EVENT .. id))
      expire_event(id, account, plan.pending_ms)
    end
    for i, to in ipairs(plan) do
      lines[i] = string.format('%s %s %s %s kept %s *\n', to.destination, to.kind, to.lane, to.delay,
        to.order == 'fifo' and 'fifo' or 'requeue')
    end
    open_task(account, id, table.concat(lines), plan.pending_ms)
    post(plan, id, record)
    return task and 0 or refusal(before)
  end

  -- The result of a pending task is here: RECORD has it. RECEIVED: when the task was set.
  local function put_result(plan, id, received, record, staged)
    local key = EVENT .. id
    local old = head_of(key)
    local set, digest = read_record(old)
    local _, same = read_record(record)
    if set ~= received or digest ~= same then return 1 end
    if not is_open(old) then
      complete(plan, id, now_text, record)
      return 1
    end
    local growth = (staged and call('STRLEN', staged) or #record) - call('STRLEN', key)
    local over = over_quota(plan, 0, growth)
    if over then return over end
    keep_event(id, plan.account) -- takes its record off what expires
    use_more(plan.account, 0, growth)
    local lines = close_task(plan.account, id)
    if lines then
      local written = plan.first .. lines
      plan = plans[written] or read_plan(written)
    end
    if staged then unstage('RENAME', staged, key) else call('SET', key, record) end
    if plan.fan == 0 then expire_event(id, plan.account, done_ms) end
    add_deliveries(plan, id, now_text, count_task(plan, id, record))
    fresh[id] = true
    return 0
  end

  return function(plan, id, received, record, staged)
    return (plan.stage == 'pending' and put_pending or put_result)(plan, id, received, record, staged)
  end
end

local put_later

-- The event is stored under its TASK id.
local function queue_event(i, plan, id, received, record, task)
  local key = event_key(plan, task)
  fresh[key] = true
  local hash = add_deliveries(plan, key, received, count_task(plan, task, record, id))
  if plan.kind == 'announcement' then add_fetch(plan, hash, task) end
  results[i] = task == id and 0 or -tonumber(string.sub(task, #id + 2))
end

local function put_record(i, plan, id, received, record, name, staged)
  if plan.is_later then
    put_later = put_later or later()
    results[i] = put_later(plan, id, received, record, staged)
    return
  end
  local task, before, event, taken = accept(plan, id, name, received, record, staged)
  if task then return queue_event(i, plan, id, received, record, task) end
  results[i] = refusal(before, taken)
  if not event then return end
  if plan.kind ~= 'task' and not plan.fetch then repeated[i] = event end
  complete(plan, event, received, record, id)
end

-- Redis may have refused the staged record, for want of memory. One that is not needed goes at once.
put_one = function(i, plan, id, received, record, name, staged)
  if staged and call('EXISTS', staged) == 0 then
    results[i] = 2
    return
  end
  put_record(i, plan, id, received, record, name, staged)
  if staged then call('UNLINK', staged) end
end

end_others = function()
  for i, event in pairs(repeated) do
    local n, reached = queue_dead(event, 0, done_ms)
    if reached then
      results[i] = {results[i], n, event, reached}
    elseif n > 0 then
      results[i] = {results[i], n}
    end
  end
  write_tasks()
end
