#!lua
-- put: accepts events with all their deliveries of this partition (docs/queue.md).
-- KEYS: lanes. ARGV: base, dedup_ms, done_ms, number of events, then per event:
--   id, dedup name ('' if ids and digests decide), received_at, record head, rest of the record, number of
--   deliveries, and per delivery: destination, lane, delay ms, order, secret id.
-- Replies per event: {0, ''} queued, {1, received_at} duplicate, {2, ''} no free revision.
--@include lib_lane.lua
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

-- Returns the key id under which the event now is; or nil and, for a repeat, when it first came. KEPT: it
-- has no deliveries, so it expires from now on.
local function accept(id, name, received, record, kept)
  local options = kept and {'PX', done_ms} or NOTHING
  if name ~= '' or done_ms < dedup_ms then
    local before = call('GET', dedup_key(name ~= '' and name or identity(id, record)))
    if before then return nil, before end
  end
  local old = call('SET', base .. 'event:' .. id, record, 'NX', 'GET', unpack(options))
  if old then return accept_beside(id, name, received, record, options, old) end
  if name ~= '' then
    remember(name, received)
  elseif kept and done_ms < dedup_ms then
    remember(identity(id, record), received)
  end
  return id
end

local batch = {} -- lane -> ids: one RPUSH a lane

local function push_batch(name)
  call('RPUSH', loaded[name].queue, unpack(batch[name]))
  batch[name] = nil
end

local function add_delivery(key, received, fan)
  local destination, name, delay, order, secret = arg(), arg(), arg(), arg(), arg()
  local id = key .. ':' .. destination
  local hash = base .. 'delivery:' .. id
  call('HSET', hash, 'state', 'queued', 'destination', destination, 'lane', name, 'delay_ms', delay, 'attempts', '0',
    'requeues', '0', 'accepted_at', received)
  if secret ~= '' then call('HSET', hash, 'secret', secret) end
  if fan > 1 then call('HSET', hash, 'fan', text(fan)) end
  local lane = lane_load(name)
  lane.order = order
  lane_count(lane, tonumber(delay), 1)
  local ids = batch[name]
  if not ids then
    ids = {}
    batch[name] = ids
  end
  ids[#ids + 1] = id
  if #ids == 500 then push_batch(name) end
end

local QUEUED = {0, ''}
local results = {}
for i = 1, tonumber(ARGV[4]) do
  local id, name, received, head, rest, fan = arg(), arg(), arg(), arg(), arg(), tonumber(arg())
  local record = rest == '' and head or head .. rest
  local key, before = accept(id, name, received, record, fan == 0)
  if key then
    if fan > 1 then call('HSET', base .. 'pending:' .. key, 'n', text(fan)) end
    for _ = 1, fan do add_delivery(key, received, fan) end
    results[i] = QUEUED
  else
    at = at + 5 * fan
    results[i] = before and {1, before} or {2, ''}
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
wake()
return results
