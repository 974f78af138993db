#!lua flags=no-writes,allow-oom
-- search: one step through deliveries that fit a filter, newest first. Looking changes nothing.
-- KEYS: lanes. ARGV: base, walk, cursor ('': from the newest), most, since ms, until ms, state, destination, source, lane, tag
-- ('': any), others (1: report what may be in another partition).
--
-- A walk is a list of deliveries in an order of its own:
--   posted         every delivery of the events that were accepted within their retention, newest first
--   deaths         dead letters, the last one that died first
--   retry          by the next attempt, latest first
--   inflight       by the end of the lease, latest first
--   queue:<lane>   the lane's queue from its tail
-- Each item has a cursor, from which a later step goes on behind this item.
--
-- Replies {cursor of the next step ('': the walk is over), then for each delivery found: its cursor, its order (a number; larger
-- is earlier in the walk), its id}.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_view.lua
local walk, cursor, most, since, till = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local state, destination, source, of_lane, tag, others = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], ARGV[12] == '1'
local CHUNK = 50
local SLACK = 60000 -- ms: a receiver's clock may be so far from Redis' own
local reply, found = {''}, 0

local function is_full() return found >= most or work >= WORK_MAX end

local function tag_in(head) return string.match(head, '\nt ([^\n]*)\n') or '' end

-- Does the event of this head fit?
local function fits_event(head)
  if source ~= '' then
    local _, _, kind, owner = read_record(head)
    if kind == 'task' or owner ~= source then return false end
  end
  return tag == '' or tag_in(head) == tag
end

-- Adds the delivery ID if it fits.
local function consider(id, position, order)
  local v = call('HMGET', DELIVERY .. id, 'state', 'lane', 'accepted_at')
  work = work + 1
  local accepted = tonumber(v[3] or 0)
  local fits = v[1] and (state == '' or v[1] == state) and (of_lane == '' or v[2] == of_lane) and accepted >= since and accepted <= till
  if fits or not v[1] and others then
    found = found + 1
    for _, part in ipairs({position, order, id}) do reply[#reply + 1] = part end
  end
end

-- One event of an entry: its deliveries from the one numbered FIRST on. False: the step is full.
local function walk_event(event, entry, e, first)
  local head = head_of(EVENT .. event)
  if not head or not fits_event(head) then return true end
  local d = 0
  for name in string.gmatch(string.match(head, '\no ([^\n]*)\n') or '', '%S+') do
    d = d + 1
    if d > first and (destination == '' or name == destination) then
      if is_full() then return false end
      local position = string.format('%s/%d/%d', entry, e, d)
      consider(event .. ':' .. name, position, string.match(entry, '^%d+'))
      reply[1] = position
    end
  end
  return true
end

-- One entry: its events from the one numbered E on, and of that one the deliveries behind FIRST.
local function walk_entry(entry, from, first)
  local ids = {}
  for id in string.gmatch(entry[2][2], '%S+') do table.insert(ids, 1, id) end
  for e = from, #ids do
    if is_full() or not walk_event(ids[e], entry[1], e, e == from and first or 0) then return false end
    reply[1] = string.format('%s/%d/%d', entry[1], e + 1, 0)
  end
  return true
end

local function walk_posted()
  local entry, e, d = string.match(cursor, '^(%d+%-%d+)/(%d+)/(%d+)$')
  local from, to = entry or string.format('%.0f', till + SLACK), string.format('%.0f', math.max(since - SLACK, 0))
  reply[1] = cursor
  repeat
    local entries = call('XREVRANGE', base .. 'posted', from, to, 'COUNT', CHUNK)
    work = work + #entries / 2
    for _, one in ipairs(entries) do
      local resumed = one[1] == entry
      if not walk_entry(one, resumed and tonumber(e) or 1, resumed and tonumber(d) or 0) then return end
      from = '(' .. one[1]
    end
    if #entries < CHUNK then
      reply[1] = ''
      return
    end
  until is_full()
end

-- A delivery that is not found through its event.
local function walk_delivery(id, position, order)
  local event, name = string.match(id, '^(.*):([^:]*)$')
  reply[1] = position
  if not event or destination ~= '' and name ~= destination then return end
  if (source ~= '' or tag ~= '') and not fits_event(head_of(EVENT .. event) or '') then return end
  consider(id, position, order)
end

-- A position is a score, and how many members of that score were passed. LOWEST: where the walk ends.
local function walk_set(key, lowest)
  local score, passed = string.match(cursor, '^([%d.]+)/(%d+)$')
  score, passed = score or '+inf', tonumber(passed or 0)
  reply[1] = cursor
  repeat
    local members = call('ZREVRANGEBYSCORE', key, score, lowest, 'WITHSCORES', 'LIMIT', passed, CHUNK)
    work = work + #members / 4
    for i = 1, #members, 2 do
      if is_full() then return end
      passed = members[i + 1] == score and passed + 1 or 1
      score = members[i + 1]
      walk_delivery(members[i], score .. '/' .. passed, score)
    end
    if #members < 2 * CHUNK then
      reply[1] = ''
      return
    end
  until is_full()
end

-- A position is how many were passed, counted from the tail.
local function walk_queue(key)
  local passed = tonumber(string.match(cursor, '^%d+$') or 0)
  reply[1] = cursor
  repeat
    local ids = call('LRANGE', key, -passed - CHUNK, -passed - 1)
    work = work + #ids / 4
    for i = #ids, 1, -1 do
      if is_full() then return end
      passed = passed + 1
      walk_delivery(ids[i], text(passed), call('HGET', DELIVERY .. ids[i], 'accepted_at') or '0')
    end
    if #ids < CHUNK then
      reply[1] = ''
      return
    end
  until is_full()
end

local lane = string.match(walk, '^queue:(.*)$')
if lane then
  walk_queue(QUEUE .. lane)
elseif walk == 'posted' then
  walk_posted()
else
  walk_set(base .. walk, walk == 'deaths' and string.format('%.0f', since) or '-inf')
end
return reply
