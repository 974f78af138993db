#!lua flags=allow-oom
-- check: one step of the search for contradictions in the queue, and of their repair. It judges each delivery, event,
-- list and count in one piece, so it never takes a delivery that only moves for a lost one.
-- KEYS: lanes. ARGV: base, repair (1: mend what is found), cursor ('': from the beginning), done ms, dead ms.
-- Replies {cursor of the next step ('': all was seen), deliveries and events looked at, those that it could not judge, then its
-- findings}. A finding is three values: the problem, the name, and 1 if it was mended.
--
-- A cursor is "<stage> <place> <list>": the stage's name, the place where it goes on, and, in the stage `lists`, the
-- list that the step reads.
--   lists      SCAN finds the lists of lanes and of dead letters; each is read in chunks from its tail
--   keys       SCAN finds deliveries, events, and what belongs to them
--   inflight, retry, deaths, lanes     read by rank
--   busy       the counts of what is in flight
-- This is the one script that walks the keyspace: what is in no list can be found in no other way.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_open.lua
--@include lib_seen.lua
--@include lib_weight.lua
local is_repair, done_ms, dead_ms = ARGV[2] == '1', tonumber(ARGV[4]), tonumber(ARGV[5])
local stage, place, list = string.match(ARGV[3], '^(%a+) (%d+) ?(.*)$')
local WORK_MAX, LOOKS_MAX, CHUNK, ITEMS_MAX = 200, 30000, 100, 50
-- Lengths of lists of ids of up to 100 bytes (lib_weight).
local EACH_MAX = 10000 -- a list up to this length is searched whole for each of its deliveries
local SEARCH_MAX = 40000 -- one up to this length is searched whole where its ends do not have the delivery
local EXACT_MAX = 200 -- a queue up to this length has its delays counted one by one
local work, looks, looked, unsure, found = 0, 0, 0, 0, {}
local LATE_MS = 60000 -- what expires by itself may be that late

local function report(problem, name, is_mended)
  found[#found + 1] = problem
  found[#found + 1] = name
  found[#found + 1] = is_repair and is_mended ~= false and '1' or '0'
end

local function is_spent() return work >= WORK_MAX or looks >= LOOKS_MAX or #found >= 3 * ITEMS_MAX end
local function is_over(state) return state == 'done' or state == 'dead' or state == 'dropped' end

-- How often is ID in LIST: 0, 1 or 2; nil if the list is too long to tell now. The second value is what LREM needs to take
-- all of these out: from which end, and how many.
local function count_in_list(key, id)
  local weight = weight_of(key, id)
  local size = call('LLEN', key) * weight
  work = work + 4
  if size <= EACH_MAX then
    looks = looks + size
    return math.min(2, #call('LPOS', key, id, 'COUNT', 2)), 0
  end
  for _, rank in ipairs({1, -1}) do
    looks = looks + EACH_MAX / 2
    if call('LPOS', key, id, 'RANK', rank, 'MAXLEN', math.floor(EACH_MAX / 2 / weight)) then return 1, rank end
  end
  if size > SEARCH_MAX then return nil end
  looks = looks + size
  return call('LPOS', key, id) and 1 or 0, 1
end

-- --- one delivery ---

-- D leaves the lists and sets that it must not be in.
local function take_out(d, is_queue_right)
  if d.queued > 0 and not is_queue_right then
    local n = call('LREM', QUEUE .. d.lane, d.removes, d.id)
    lane_count(lane_load(d.lane), d.delay, -n)
  elseif d.queued > 1 then -- one stays: the one that is next
    local others = #call('LPOS', QUEUE .. d.lane, d.id, 'COUNT', 0) - 1
    lane_count(lane_load(d.lane), d.delay, -call('LREM', QUEUE .. d.lane, -others, d.id))
  end
  if d.state ~= 'inflight' and d.inflight then call('ZREM', base .. 'inflight', d.id) end
  if d.state ~= 'retry' and d.retry then call('ZREM', base .. 'retry', d.id) end
end

-- D goes to the tail of its queue. If the whole queue is gone, its counts count what it does not have.
local function put_back(d)
  local lane = lane_load(d.lane)
  call('HSET', d.key, 'state', 'queued')
  call('PERSIST', d.key)
  if call('EXISTS', lane.queue) == 0 then
    call('DEL', lane.delays)
    lane.count, lane.known = {}, {}
  end
  lane_push(lane, d.id, d.delay, 'RPUSH')
end

-- D is on its way: is it in exactly the one place that its state names?
local function judge_living(d)
  local is_right = d.state == 'queued' and d.queued > 0 or d.state == 'inflight' and d.inflight or d.state == 'retry' and d.retry
  local places = (d.queued > 0 and 1 or 0) + (d.inflight and 1 or 0) + (d.retry and 1 or 0)
  if is_right and places == 1 and d.queued < 2 then return end
  report(places == 0 and 'no_place' or is_right and 'two_places' or 'wrong_place', d.id)
  if not is_repair then return end
  if is_right then
    take_out(d, d.state == 'queued')
  else
    local is_queued = d.queued > 0
    d.state = 'queued'
    take_out(d, is_queued)
    if is_queued then call('HSET', d.key, 'state', 'queued') else put_back(d) end
  end
end

local function judge_over(d)
  if d.queued > 0 or d.inflight or d.retry then
    report('wrong_place', d.id)
    if is_repair then take_out(d, false) end
  end
  if d.state ~= 'dead' or d.ended < now_ms - dead_ms + LATE_MS then return end
  local key = base .. 'dead:' .. d.destination
  local n = count_in_list(key, d.id)
  if not n then unsure = unsure + 1 end
  if n == 0 then
    report('no_place', d.id)
    if is_repair then
      call('LPUSH', key, d.id)
      call('ZADD', base .. 'deads', 'NX', text(now_ms + dead_ms), d.destination)
    end
  elseif n == 2 then
    report('two_places', d.id)
    if is_repair then call('LREM', key, -1, d.id) end
  end
  if not call('ZSCORE', base .. 'deaths', d.id) then
    report('not_in_deaths', d.id)
    if is_repair then
      call('ZADD', base .. 'deaths', text(d.ended), d.id)
      keep_key(base .. 'deaths', dead_ms)
    end
  end
end

local function judge_expiry(d)
  local ttl = call('PTTL', d.key)
  local keep = d.state ~= 'done' and dead_ms or done_ms
  if is_over(d.state) and ttl < 0 then
    report('no_expiry', d.id)
    if is_repair then call('PEXPIRE', d.key, text(keep + afterglow(keep))) end
  elseif not is_over(d.state) and ttl >= 0 then
    report('expires', d.id)
    if is_repair then call('PERSIST', d.key) end
  end
  local attempts = base .. 'attempts:' .. d.id
  if is_over(d.state) and call('PTTL', attempts) == -1 then
    report('no_expiry', d.id)
    if is_repair then call('PEXPIRE', attempts, text(keep)) end
  end
end

-- D was dropped deep in its queue, and stays until claim passes over it.
local function judge_passed(d)
  if d.queued > 0 then return end
  report('no_expiry', d.id)
  if not is_repair then return end
  call('HDEL', d.key, 'in_queue')
  call('PEXPIRE', d.key, text(dead_ms + afterglow(dead_ms)))
end

local STATES = {queued = true, inflight = true, retry = true, done = true, dead = true, dropped = true}

local function judge_delivery(id)
  local key = DELIVERY .. id
  local v = call('HMGET', key, 'state', 'lane', 'destination', 'delay_ms', 'ended_at', 'in_queue')
  looked, work = looked + 1, work + 6
  if not STATES[v[1] or ''] or not v[2] or not v[3] or not tonumber(v[4] or '') then
    if call('EXISTS', key) == 1 then report('unreadable', id, false) end
    return
  end
  local d = {id = id, key = key, state = v[1], lane = v[2], destination = v[3], delay = tonumber(v[4]), ended = tonumber(v[5] or now_ms),
    inflight = call('ZSCORE', base .. 'inflight', id), retry = call('ZSCORE', base .. 'retry', id),
    queued = 0}
  local n = 0
  if v[1] ~= 'done' then n, d.removes = count_in_list(QUEUE .. d.lane, id) end
  if not n then unsure = unsure + 1 end
  d.queued = n or d.state == 'queued' and 1 or 0 -- if it cannot be told, it counts as right
  if d.state == 'dropped' and v[6] then return judge_passed(d) end
  if is_over(d.state) then judge_over(d) else judge_living(d) end
  judge_expiry(d)
  local event = string.sub(id, 1, -2 - #d.destination)
  -- A dispatcher makes it a dead letter, with the error event_lost, when its turn comes.
  if not is_over(d.state) and call('EXISTS', EVENT .. event) == 0 then report('no_event', id, false) end
end

-- --- one event ---

local function judge_pending(event, living, has_siblings)
  local key = base .. 'pending:' .. event
  local n = call('HGET', key, 'n')
  work = work + 1
  if living == 0 and not n then return end
  if living > 0 and (not has_siblings or tonumber(n or '') == living) then return end
  report('pending_count', event)
  if not is_repair then return end
  if living == 0 then call('DEL', key) else call('HSET', key, 'n', text(living)) end
end

local function judge_event(event)
  local key = EVENT .. event
  local head = call('GETRANGE', key, 0, 8191)
  local received, _, kind, owner = read_record(head)
  looked, work = looked + 1, work + 3
  if not received then
    if call('EXISTS', key) == 1 then report('unreadable', event, false) end
    return
  end
  if is_open(head) then return end -- it expires, whoever works on it
  local living, dead, has_siblings, ttl = 0, false, false, call('PTTL', key)
  local names = string.match(head, '\no ([^\n]*)\n') or ''
  for name in string.gmatch(names, '%S+') do
    local v = call('HMGET', DELIVERY .. event .. ':' .. name, 'state', 'fan')
    work = work + 1
    if v[1] and not is_over(v[1]) then living = living + 1 end
    dead = dead or v[1] == 'dead' or v[1] == 'dropped'
    has_siblings = has_siblings or v[2] and v[2] ~= '1'
  end
  local account = kind == 'task' and owner or nil
  if living == 0 and ttl == -1 then
    report('event_no_expiry', event)
    if is_repair then expire_event(event, account, dead and dead_ms or done_ms) end
  elseif living > 0 and ttl >= 0 then
    report('event_expires', event)
    if is_repair then keep_event(event, account) end
  end
  judge_pending(event, living, has_siblings)
end

-- --- stages: each returns where it goes on, or nil at its end ---

local function judge_key(key)
  local kind, name = string.match(string.sub(key, #base + 1), '^(%a+):(.*)$')
  if kind == 'delivery' then
    judge_delivery(name)
  elseif kind == 'event' then
    judge_event(name)
  elseif kind == 'pending' and call('EXISTS', EVENT .. name) == 0 then
    report('pending_count', name)
    if is_repair then call('DEL', key) end
  elseif kind == 'delays' and call('EXISTS', QUEUE .. name) == 0 then
    report('delay_counts', name)
    if is_repair then call('DEL', key) end
  elseif kind == 'attempts' and call('EXISTS', DELIVERY .. name) == 0 and call('PTTL', key) < 0 then
    report('no_expiry', name)
    if is_repair then call('PEXPIRE', key, text(done_ms)) end
  end
end

local function walk_keys(cursor)
  repeat
    local reply = call('SCAN', cursor, 'MATCH', base .. '*', 'COUNT', 5)
    cursor, work = reply[1], work + 3
    for _, key in ipairs(reply[2]) do judge_key(key) end
  until cursor == '0' or is_spent()
  return cursor ~= '0' and cursor
end

-- The counts of a lane that has work, and its place in `lanes`.
local function judge_lane(name)
  local key, length = QUEUE .. name, call('LLEN', QUEUE .. name)
  local noted, all, sum, is_wrong = {}, call('HGETALL', DELAYS .. name), 0, false
  work = work + 4
  if length == 0 then return end -- it was emptied meanwhile
  for i = 1, #all, 2 do
    noted[all[i]] = tonumber(all[i + 1]) or 0
    sum = sum + noted[all[i]]
  end
  is_wrong = sum ~= length
  if length <= EXACT_MAX then
    local counted = {}
    for _, id in ipairs(call('LRANGE', key, 0, -1)) do
      local delay = call('HGET', DELIVERY .. id, 'delay_ms')
      if delay then counted[delay] = (counted[delay] or 0) + 1 end
    end
    work = work + length
    for delay, n in pairs(counted) do is_wrong = is_wrong or noted[delay] ~= n end
    for delay in pairs(noted) do is_wrong = is_wrong or not counted[delay] end
  end
  if is_wrong then
    report('delay_counts', name)
    if is_repair then
      call('DEL', DELAYS .. name)
      local lane = lane_load(name)
      lane.count, lane.known, lane.is_doubtful = {}, nil, true -- schedule_all counts anew
      work = work + RECOUNT_MAX
      if length <= EXACT_MAX then
        for _, id in ipairs(call('LRANGE', key, 0, -1)) do lane_count(lane, tonumber(call('HGET', DELIVERY .. id, 'delay_ms') or 0) or 0, 1) end
      end
    end
  end
  if not call('ZSCORE', base .. 'lanes', name) then
    report('lane_not_listed', name)
    if is_repair then lane_load(name).pushed = 1 end
  end
end

-- The list KEY has ID, BEHIND entries before its tail. Does ID belong there? True if it has left the list.
local function judge_entry(kind, of, key, id, length, behind)
  local v = call('HMGET', DELIVERY .. id, 'state', 'lane', 'destination', 'delay_ms', 'in_queue')
  work = work + 1
  local is_right = kind == 'queue' and (v[1] == 'queued' or v[1] == 'dropped' and v[5]) and v[2] == of or kind == 'dead' and v[1] == 'dead' and v[3] == of
  if is_right then return end
  -- A resend leaves entries in the middle of a long list, and entries outlive deliveries until the next look at the list.
  local weight = weight_of(key, id)
  if kind == 'dead' and (not v[1] or length * weight > EACH_MAX) then return end
  -- In the middle of a long list it is left to whoever comes to it: claim passes over it.
  local is_short = length * weight <= SEARCH_MAX
  local is_near = is_short or math.min(behind, length - behind) * weight < EACH_MAX
  report(v[1] and 'wrong_place' or 'no_delivery', id, is_near)
  if not is_repair or not is_near then return end
  looks, work = looks + (is_short and length * weight or EACH_MAX), work + 6
  local n = call('LREM', key, is_short and 0 or behind * weight < EACH_MAX and -1 or 1, id)
  if kind == 'queue' then lane_count(lane_load(of), tonumber(v[4] or 0) or 0, -n) end
  if v[1] then judge_delivery(id) end
  return n > 0
end

-- Reads LIST, which is "<kind>:<name>", from PLACE entries before its tail on.
local function walk_list(name, from)
  local kind, of = string.match(name, '^(%a+):(.*)$')
  local key = base .. name
  if kind ~= 'queue' and kind ~= 'dead' then return nil end
  if from == 0 and kind == 'queue' then judge_lane(of) end
  while not is_spent() do
    local length = call('LLEN', key)
    local ids = call('LRANGE', key, -from - CHUNK, -from - 1)
    work = work + 2
    if #ids == 0 then return nil end
    for i = #ids, 1, -1 do
      if is_spent() then return from end
      if not judge_entry(kind, of, key, ids[i], length, from) then from = from + 1 end
    end
  end
  return from
end

-- PLACE: SCAN's cursor. LIST: "<entries read> <list> <list> ...", which are to be read before SCAN goes on.
local function walk_lists(cursor)
  local from, rest = string.match(list, '^(%d+) (.*)$')
  from, rest = tonumber(from or 0), rest or ''
  while true do
    local name, others = string.match(rest, '^(%S+) ?(.*)$')
    if name then
      from = walk_list(name, from)
      if from then
        list = string.format('%d %s', from, rest)
        return cursor
      end
      from, rest = 0, others
    elseif cursor == '0' and list ~= '' then
      return nil
    else
      local reply = call('SCAN', cursor, 'MATCH', base .. '[qd][ue][ea]*', 'COUNT', 300) -- queue and dead, not delivery
      cursor, work, list = reply[1], work + 50, '0 '
      for _, key in ipairs(reply[2]) do
        local short = string.sub(key, #base + 1)
        if string.match(short, '^queue:%S+$') or string.match(short, '^dead:%S+$') then rest = rest .. short .. ' ' end
      end
    end
    if is_spent() then
      list = '0 ' .. rest
      return cursor
    end
  end
end

-- Members of a sorted set, by rank. JUDGE returns true if the member has left the set.
local function walk_set(name, at, judge)
  at = tonumber(at)
  while not is_spent() do
    local members = call('ZRANGE', base .. name, at, at + CHUNK - 1, 'WITHSCORES')
    work = work + 2
    if #members == 0 then return nil end
    for i = 1, #members, 2 do
      if is_spent() then break end
      if not judge(members[i], tonumber(members[i + 1])) then at = at + 1 end
    end
  end
  return text(at)
end

local function out_of(name, member, problem)
  report(problem, member)
  if is_repair then call('ZREM', base .. name, member) end
  return is_repair
end

local function state_of(id)
  work = work + 1
  return call('HGET', DELIVERY .. id, 'state')
end

local STAGES = {'lists', 'keys', 'inflight', 'retry', 'deaths', 'lanes', 'busy'}
local RUN = {lists = walk_lists, keys = walk_keys}

for _, name in ipairs({'inflight', 'retry'}) do
  RUN[name] = function(at)
    return walk_set(name, at, function(id) return not state_of(id) and out_of(name, id, 'no_delivery') end)
  end
end

function RUN.deaths(at)
  return walk_set('deaths', at, function(id, died)
    local state = state_of(id)
    if state == 'dead' or not state and died < now_ms - dead_ms + LATE_MS then return false end
    return out_of('deaths', id, 'wrong_in_deaths')
  end)
end

function RUN.lanes(at)
  return walk_set('lanes', at, function(name)
    work = work + 1
    return call('EXISTS', QUEUE .. name) == 0 and out_of('lanes', name, 'lane_without_work')
  end)
end

local origins_left = 500 -- deliveries whose origins this call may read

-- Origin -> how many of the deliveries IDS go there. False if they are too many to tell.
local function shares_of(ids)
  if ids.shares ~= nil then return ids.shares end
  ids.shares = false
  if #ids > origins_left then
    unsure = unsure + 1
    return false
  end
  local shares = {}
  origins_left = origins_left - #ids
  for _, id in ipairs(ids) do
    local origin = call('HGET', DELIVERY .. id, 'origin')
    if origin then shares[origin] = (shares[origin] or 0) + 1 end
  end
  ids.shares = shares
  return shares
end

local function mend_busy(name, ids)
  call('HDEL', base .. 'busy', name)
  if #ids > 0 then call('HSET', base .. 'busy', name, text(#ids)) end
  local shares, written = shares_of(ids), {}
  if not shares then return end
  for origin, n in pairs(shares) do
    written[#written + 1] = origin
    written[#written + 1] = text(n)
  end
  call('DEL', base .. 'shares:' .. name)
  if #written > 0 then call('HSET', base .. 'shares:' .. name, unpack(written)) end
end

local function are_shares_right(name, ids)
  local noted = call('HGETALL', base .. 'shares:' .. name)
  if #noted == 0 and not string.find(name, '@', 1, true) then return true end
  local shares = shares_of(ids)
  if not shares then return true end
  local is_right, more = true, 0
  for _ in pairs(shares) do more = more + 1 end
  for i = 1, #noted, 2 do
    local n = tonumber(noted[i + 1]) or 0
    is_right = is_right and n == (shares[noted[i]] or 0)
    if n ~= 0 then more = more - 1 end
  end
  return is_right and more == 0
end

-- The script counts the deliveries in flight in one piece, if they are not many.
local INFLIGHT_MAX, INFLIGHT_BYTES, INFLIGHT_CHUNK = 2500, 400000, 250

-- Adds the deliveries in flight to FLYING, by destination. False if they are too many.
local function read_inflight(flying)
  local key, bytes = base .. 'inflight', 0
  if call('ZCARD', key) > INFLIGHT_MAX then return false end
  for from = 0, INFLIGHT_MAX - 1, INFLIGHT_CHUNK do
    for _, id in ipairs(call('ZRANGE', key, from, from + INFLIGHT_CHUNK - 1)) do
      local name = destination_of(id)
      flying[name] = flying[name] or {}
      table.insert(flying[name], id)
      bytes = bytes + #id
    end
    if bytes > INFLIGHT_BYTES then return false end
  end
  return true
end

function RUN.busy()
  local flying, busy = {}, call('HGETALL', base .. 'busy')
  for i = 1, #busy, 2 do flying[busy[i]] = {noted = busy[i + 1]} end
  if not read_inflight(flying) then
    unsure = unsure + 1
    return nil
  end
  for name, ids in pairs(flying) do
    if tonumber(ids.noted or 0) ~= #ids or not are_shares_right(name, ids) then
      report('busy_count', name)
      if is_repair then mend_busy(name, ids) end
    end
  end
  return nil
end

local function next_stage(name)
  for i, other in ipairs(STAGES) do
    if other == name then return STAGES[i + 1] end
  end
end

if not RUN[stage or ''] or #place > 18 then stage, place, list = STAGES[1], '0', '' end
local at = RUN[stage](place)
local cursor = ''
if at then
  cursor = stage .. ' ' .. at .. (stage == 'lists' and ' ' .. list or '')
elseif next_stage(stage) then
  cursor = next_stage(stage) .. ' 0'
end
if is_repair then
  write_tasks()
  schedule_all()
end
return {cursor, looked, unsure, unpack(found)}
