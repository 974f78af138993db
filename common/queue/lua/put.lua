#!lua
-- put: accepts events with all their deliveries of this partition (docs/internals/queue.md).
-- KEYS: lanes. ARGV: base, dedup_ms, done_ms, number of events, then per event:
--   id, received_at, record, plan, and as the plan says: the rest of the record, the dedup name.
-- A plan is what many events have in common, and is read once a call. Its first line: 'r' (the rest of the record is an
--   argument of its own), 'd' (so is the name by which a repeat is known; else ids and digests decide), 'rd' or '-'; the
--   kind; the account. Then a line per delivery: destination, lane, delay, order, secret id; '-' for none.
-- A kind is 'event'; 'task', set through the API; 'announced', whose result is still to be fetched: its first delivery
--   does, the others follow then; 'fetched', which is what was announced; or 'guest': another partition lists and counts it.
-- A delay is in ms: "100" the destination's own; "=100" that of everybody; "!100" captured before.
-- Replies a number per event: 0 queued, 2 no free revision, 3 the id is taken, else a duplicate of what came at that moment (ms).
--@include lib_lane.lua
--@include lib_tasks.lua
local dedup_ms, done_ms = tonumber(ARGV[2]), tonumber(ARGV[3])
local at = 5
local function arg()
  local value = ARGV[at]
  at = at + 1
  return value
end

local function dedup_key(name) return base .. 'dedup:' .. name end

-- The name by which the same event is known again (source, id and digest), and its received_at.
local function identity(id, record)
  local received, digest, source = string.match(record, '^hp%d+ (%d+) (%x+) (%S+)')
  return (source or '') .. ':' .. id .. ':' .. (digest or ''), received
end

-- Another event has this id: the record goes under "<id>~<n>" and names its id itself.
local function store_revision(id, record, options)
  local counter = base .. 'revisions:' .. id
  local head, rest = string.match(record, '^([^\n]*\n)(.*)$')
  record = head .. 'i ' .. id .. '\n' .. rest
  for _ = 1, 100 do
    local name = id .. '~' .. (call('INCR', counter) + 1)
    call('PEXPIRE', counter, math.max(done_ms, dedup_ms))
    if call('SET', base .. 'event:' .. name, record, 'NX', unpack(options)) then return name end
  end
end

local function remember(name, received) call('SET', dedup_key(name), received, 'PX', dedup_ms) end

-- The id is taken. Returns nil and when the same event first came, or the key id of a new revision.
local function accept_beside(id, name, received, record, options, old)
  local same = identity(id, record)
  if name == '' then
    local known, first = identity(id, old)
    if known == same and tonumber(received) - tonumber(first) < dedup_ms then return nil, first end
    local before = call('GET', dedup_key(same))
    if before then return nil, before end
  end
  local key = store_revision(id, record, options)
  -- The record under the id does not tell a repeat of this one.
  if key then remember(name ~= '' and name or same, received) end
  return key
end

local NOTHING = {}

-- A second task of the API cannot be kept beside the first.
local function refuse_beside(id, record, old)
  local same, received = identity(id, record)
  local known, first = identity(id, old)
  if known == same then return nil, first or received end
  return nil, nil, true
end

-- The source of a record, or of its beginning, and when it came.
local function source_of(record)
  local received, source = string.match(record, '^hp%d+ (%d+) %x+ (%S+)')
  return source, received
end

-- An announcement is kept under "<id>~f": another one of its source, however it is worded, is a repeat; and where the
-- event is here already nothing needs to be fetched. Other sources may use the same ids. Returns when that came.
local function announced_before(id, record)
  local source = source_of(record)
  for _, key in ipairs({string.match(id, '^[^~]*'), id}) do
    local of, first = source_of(call('GETRANGE', base .. 'event:' .. key, 0, 255))
    if of == source then return first end
  end
end

-- Returns the key id under which the event now is; or nil and, for a repeat, when it first came; or nil, nil and
-- true if the id is taken. KEPT: it has no deliveries, so it expires from now on.
local function accept(id, name, received, record, kept, kind)
  local options = kept and {'PX', done_ms} or NOTHING
  if name ~= '' or done_ms < dedup_ms then
    local before = call('GET', dedup_key(name ~= '' and name or identity(id, record)))
    if before then return nil, before end
  end
  if kind == 'announced' then
    local before = announced_before(id, record)
    if before then return nil, before end
  end
  local old = call('SET', base .. 'event:' .. id, record, 'NX', 'GET', unpack(options))
  if old and kind == 'task' then return refuse_beside(id, record, old) end
  if old and kind == 'fetched' and source_of(old) == source_of(record) then return nil, nil, true end
  if old then return accept_beside(id, name, received, record, options, old) end
  if name ~= '' then
    remember(name, received)
  elseif kept and done_ms < dedup_ms then
    remember(identity(id, record), received)
  end
  return id
end

-- Delays that were set while running win over those that the receiver read from its configuration.
local settings
local function delay_in_force(destination, delay)
  local mark = string.byte(delay)
  if mark == 33 then return string.sub(delay, 2) end -- !
  if settings == nil then
    local all = call('HGETALL', base .. 'settings')
    settings = #all > 0 and {}
    for i = 1, #all, 2 do settings[all[i]] = all[i + 1] end
  end
  local inherits = mark == 61 -- =
  if inherits then delay = string.sub(delay, 2) end
  if not settings then return delay end
  local account = account_of(destination)
  local own = settings[account and 'delay:account:' .. account or 'delay:destination:' .. destination]
  return own or inherits and settings.delay or delay
end

local function given(word) return word ~= '-' and word or '' end

local plans = {} -- its text -> a plan: its deliveries, and what stands in its first line
local function read_plan(written)
  local more, kind, account, lines = string.match(written, '^(%S+) (%S+) (%S+)\n(.*)$')
  local plan = {has_rest = string.find(more, 'r') ~= nil, has_name = string.find(more, 'd') ~= nil, kind = kind,
    account = account ~= '-' and account or nil}
  for destination, lane, delay, order, secret in string.gmatch(lines, '(%S+) (%S+) (%S+) (%S+) (%S+)\n') do
    delay = delay_in_force(destination, delay)
    plan[#plan + 1] = {destination = destination, lane = lane, delay = delay, delay_ms = tonumber(delay),
      order = given(order), secret = given(secret)}
  end
  plan.fan = kind == 'announced' and 1 or #plan
  plans[written] = plan
  return plan
end

-- Puts ID behind the others of that name; returns how many they are.
local function collect(lists, name, id)
  local ids = lists[name]
  if not ids then
    ids = {}
    lists[name] = ids
  end
  local n = #ids + 1
  ids[n] = id
  return n
end

local batch = {} -- lane -> ids: one RPUSH a lane

local function push_batch(name)
  call('RPUSH', loaded[name].queue, unpack(batch[name]))
  batch[name] = nil
end

-- TO: a delivery of a plan.
local function add_delivery(key, received, to, fan, kind)
  local id = key .. ':' .. to.destination
  local hash = base .. 'delivery:' .. id
  call('HSET', hash, 'state', 'queued', 'destination', to.destination, 'lane', to.lane, 'delay_ms', to.delay, 'attempts', '0',
    'requeues', '0', 'accepted_at', received)
  if to.secret ~= '' then call('HSET', hash, 'secret', to.secret) end
  if kind == 'guest' then
    call('HSET', hash, 'fan', text(fan), 'apart', 'guest')
  elseif fan > 1 then
    call('HSET', hash, 'fan', text(fan))
  end
  local name = to.lane
  local lane = lane_load(name)
  lane.order = to.order
  lane_count(lane, to.delay_ms, 1)
  if collect(batch, name, id) == 500 then push_batch(name) end
  return hash
end

-- What follows when the announced result is here: captured now, as it will then be put.
local function capture(plan)
  local lines = {}
  for i = 2, #plan do
    local to = plan[i]
    lines[i - 1] = to.destination .. ' ' .. to.delay .. ' ' .. to.secret
  end
  return table.concat(lines, '\n')
end

-- Is a result put that had been given up? Its fetch was counted as failed then.
local function was_given_up(id, record)
  local source = string.match(record, '^hp%d+ %d+ %x+ (%S+)') or ''
  return call('HGET', base .. 'delivery:' .. string.match(id, '^[^~]*') .. '~f:fetch@' .. source, 'state') == 'dead'
end

local posted = {} -- scope -> ids, in the order in which they came

-- Lists and counts an event that is new.
local function count_task(key, kind, account, fan, record)
  if kind == 'guest' then return end
  if kind == 'fetched' then
    if was_given_up(key, record) then
      count_open(nil, 1)
      uncount_failed(done_ms)
    end
  else
    local id = kind == 'announced' and string.match(key, '^[^~]*') or key
    collect(posted, '', id)
    if account then collect(posted, '@' .. account, id) end
    count_open(account, 1)
  end
  if fan == 0 then
    end_task(key, account, false, false, done_ms)
    call('SET', base .. 'gone:' .. key, account or '', 'PX', text(done_ms + afterglow(done_ms)))
  end
end

local function write_posted()
  for scope, ids in pairs(posted) do
    local key = base .. 'posted' .. scope
    call('XADD', key, 'MINID', '~', text(now_ms - done_ms), '*', 'ids', table.concat(ids, ' '))
    keep_key(key, done_ms)
  end
end

local results = {}
for i = 1, tonumber(ARGV[4]) do
  local id, received, record, written = arg(), arg(), arg(), arg()
  local plan = plans[written] or read_plan(written)
  if plan.has_rest then record = record .. arg() end
  local name, kind, fan = plan.has_name and arg() or '', plan.kind, plan.fan
  local key, before, taken = accept(id, name, received, record, fan == 0, kind)
  if key then
    if fan > 1 then call('HSET', base .. 'pending:' .. key, 'n', text(fan), 'first', text(fan)) end
    local hash
    for n = 1, fan do hash = add_delivery(key, received, plan[n], fan, kind) end
    if kind == 'announced' then call('HSET', hash, 'then', capture(plan)) end
    count_task(key, kind, plan.account, fan, record)
    results[i] = 0
  else
    results[i] = before and tonumber(before) or taken and 3 or 2
  end
end

for name in pairs(loaded) do
  if batch[name] then push_batch(name) end
end
-- A lane that waits is at most brought forward: what holds it still holds it.
for name, lane in pairs(loaded) do
  lane_save(lane)
  local look = lane_look(lane) / 1000
  local score = tonumber(call('ZSCORE', base .. 'lanes', name))
  if not score or (look < score and score > now / 1000) then
    call('ZADD', base .. 'lanes', look, name)
    woken = name
  end
end
write_posted()
write_tasks()
wake()
return results
