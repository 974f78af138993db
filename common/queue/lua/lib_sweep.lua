-- lib_sweep: one step of a job, which acts on every delivery that fits a filter. Needs lib_lane, lib_record, lib_tasks, lib_delivery,
-- lib_resend and lib_act.
-- A job goes through its walks one after the other. A walk is a list of deliveries:
--   queue:<lane>   a lane's queue from its tail
--   queues         those of every lane that has work
--   retry          deliveries that wait for a retry, by when they are due
--   deaths         dead letters, the first that died first
--   posted         every delivery of the events of the last `done_s`, oldest first
-- Position: where the walk goes on. A delivery that the job acted on leaves its list, except `posted`, so the position
-- says how many deliveries the walk passed over. Each delivery is acted on at most once: a resent one has the job's id.
-- The job leaves deliveries alone that were accepted or have ended since it began. If a drop went through all walks and
-- acted on something, it begins again, because deliveries move meanwhile. `scan` is the cursor by which the lanes with work are found,
-- '' behind the last one.
local WORK_MAX, CHUNK, PASSES_MAX = 250, 50, 5
local LONG_ID = 400 -- bytes of an id that cost as much as a command
local ACT_WORK = 20 -- commands for one delivery; a resend also looks at each delivery of its event
local LANES = 200 -- that are found at once
local ENTRIES = 10 -- of `posted` that are read at once: each has up to 64 ids
local NEAR = 2000 -- entries at the tail of a queue; behind them a delivery is dropped in its place
local DAY = 86400000
local work, acted = 0, 0
first_end = -1 -- the oldest dead letters come first

local function job_key(id) return base .. 'job:' .. id end

local function load_job(id)
  local v = call('HMGET', job_key(id), 'over', 'owner', 'lease', 'state', 'destination', 'source', 'lane', 'since', 'until', 'begun',
    'walks', 'walk', 'position', 'passes', 'acted', 'scan')
  if not v[1] then return nil end
  local job = {id = id, over = v[1], owner = v[2], lease = tonumber(v[3]), state = v[4], destination = v[5], source = v[6], lane = v[7],
    since = tonumber(v[8]), till = tonumber(v[9]), begun = tonumber(v[10]), walk = tonumber(v[12]), position = v[13],
    passes = tonumber(v[14]), acted = tonumber(v[15]), scan = v[16], done = 0, failed = 0, walks = {}}
  for walk in string.gmatch(v[11], '%S+') do job.walks[#job.walks + 1] = walk end
  return job
end

local function save_job(job)
  local key = job_key(job.id)
  if job.done > 0 then call('HINCRBY', key, 'done', text(job.done)) end
  if job.failed > 0 then call('HINCRBY', key, 'failed', text(job.failed)) end
  call('HSET', key, 'walk', text(job.walk), 'position', job.position, 'scan', job.scan, 'passes', text(job.passes), 'acted', text(job.acted),
    'owner', job.owner, 'lease', text(job.lease))
end

local function is_of_source(event, source)
  local _, _, kind, owner = read_record(call('GETRANGE', EVENT .. event, 0, 511))
  return kind ~= nil and kind ~= 'task' and owner == source
end

-- Does delivery ID, whose state should be one of STATES, fit the job? Also returns how many deliveries its event has here.
local function fits(job, id, states)
  local v = call('HMGET', DELIVERY .. id, 'state', 'destination', 'lane', 'accepted_at', 'ended_at', 'job', 'fan')
  work = work + 1 + #id / LONG_ID
  if not v[1] or not states[v[1]] or v[6] == job.id then return false end
  local accepted, is_over = tonumber(v[4] or 0), v[1] == 'dead' or v[1] == 'done' or v[1] == 'dropped'
  if accepted > job.begun or accepted < job.since or accepted > job.till then return false end
  if is_over and tonumber(v[5] or 0) > job.begun then return false end
  if job.destination ~= '' and v[2] ~= job.destination or job.lane ~= '' and v[3] ~= job.lane then return false end
  if job.source ~= '' then
    work = work + 1
    if not is_of_source(string.sub(id, 1, -2 - #v[2]), job.source) then return false end
  end
  return true, tonumber(v[7] or 1)
end

-- Acts on delivery ID if it fits. NEAR: as drop_one. True if it left its list.
local function consider(job, id, states, near)
  local is_fit, siblings = fits(job, id, states)
  if not is_fit then return false end
  work = work + ACT_WORK + (is_resend and siblings or 0)
  local result = act_on(id, near)
  if result == 'done' then
    job.done, job.acted, acted = job.done + 1, job.acted + 1, acted + 1
  elseif result == 'no_event' then
    job.failed = job.failed + 1
  end
  if is_resend and (result == 'done' or result == 'no_event') then call('HSET', DELIVERY .. id, 'job', job.id) end
  return result == 'done'
end

local function is_full() return work >= WORK_MAX or looks < 1 end

-- The walks return true when they are over.

local QUEUED, RETRY, DEAD = {queued = true}, {retry = true}, {dead = true}

local function walk_queue(job, lane)
  local key, passed = QUEUE .. lane, tonumber(job.position) or 0
  repeat
    local ids = call('LRANGE', key, -passed - CHUNK, -passed - 1)
    work = work + 3
    for i = #ids, 1, -1 do
      if is_full() then break end
      local left = consider(job, ids[i], QUEUED, passed < NEAR and passed + CHUNK or 0)
      if not left or call('HEXISTS', DELIVERY .. ids[i], 'in_queue') == 1 then passed = passed + 1 end
    end
    job.position = text(passed)
    if #ids == 0 then return true end
  until is_full()
end

-- Puts further lanes with work into the list KEY. A lane that has work all the while is found, and another may be.
local function note_lanes(job, key)
  local cursor, members = unpack(call('ZSCAN', base .. 'lanes', job.scan, 'COUNT', LANES))
  local lanes = {}
  for i = 1, #members, 2 do lanes[#lanes + 1] = members[i] end
  for from = 1, #lanes, 1000 do call('RPUSH', key, unpack(lanes, from, math.min(#lanes, from + 999))) end
  job.scan = cursor ~= '0' and cursor or ''
  work = work + #lanes / 10 + 2
end

local function walk_queues(job)
  local key = base .. 'job:lanes:' .. job.id
  repeat
    local lane = call('LINDEX', key, 0)
    work = work + 2
    if lane then
      if walk_queue(job, lane) then
        call('LPOP', key)
        job.position = ''
      end
    elseif job.scan == '' then
      return true
    else
      note_lanes(job, key)
    end
  until is_full()
end

-- The rank behind the last member that was passed over.
local function rank_behind(key, position)
  local score, member = string.match(position, '^(%S+) (.*)$')
  if not score then return 0 end
  local rank = call('ZRANK', key, member)
  return rank and rank + 1 or call('ZCOUNT', key, '-inf', '(' .. score)
end

local function walk_set(job, key, states, last)
  local rank = rank_behind(key, job.position)
  repeat
    local members = call('ZRANGE', key, rank, rank + CHUNK - 1, 'WITHSCORES')
    work = work + 3
    for i = 1, #members, 2 do
      if tonumber(members[i + 1]) > last then return true end
      if is_full() then return false end
      if not consider(job, members[i], states, 0) then
        rank = rank + 1
        job.position = members[i + 1] .. ' ' .. members[i]
      end
    end
    if #members == 0 then return true end
  until is_full()
end

-- The deliveries of EVENT behind the first PASSED. Returns how many are passed, if more are left.
local function walk_event(job, event, passed, states)
  local head = call('GETRANGE', EVENT .. event, 0, 8191) -- the destinations end before this byte (record.c)
  local n = 0
  work = work + 2
  for name in string.gmatch(string.match(head, '\no ([^\n]*)\n') or '', '%S+') do
    if n >= passed then
      if is_full() then return n end
      consider(job, event .. ':' .. name, states, 0)
    end
    n = n + 1
  end
end

-- One entry of `posted`, from its event number FIRST on, and of that event behind the first PASSED deliveries. Returns where it goes
-- on, in the same way; nil behind the last.
local function walk_entry(job, entry, first, passed, states)
  local n = 0
  for event in string.gmatch(entry[2][2], '%S+') do
    n = n + 1
    if n >= first then
      if is_full() then return n, 0 end
      local reached = walk_event(job, event, n == first and passed or 0, states)
      if reached then return n, reached end
    end
  end
end

local function walk_posted(job)
  local entry, number, passed = string.match(job.position, '^(%S+) (%d+) (%d+)$')
  local from, states = entry or '-', {[job.state] = true}
  repeat
    local entries = call('XRANGE', base .. 'posted', from, text(job.begun + 1), 'COUNT', ENTRIES)
    work = work + 1
    for _, one in ipairs(entries) do
      local resumed = one[1] == entry
      local next_event, reached = walk_entry(job, one, resumed and tonumber(number) or 1, resumed and tonumber(passed) or 0, states)
      if next_event then
        job.position = string.format('%s %d %d', one[1], next_event, reached)
        return false
      end
      from = '(' .. one[1]
      job.position = one[1] .. ' 100000 0'
    end
    if #entries < ENTRIES then return true end
  until is_full()
end

local function do_walk(job)
  local walk = job.walks[job.walk]
  if walk == 'queues' then return walk_queues(job) end
  if walk == 'retry' then return walk_set(job, base .. 'retry', RETRY, math.huge) end
  if walk == 'deaths' then return walk_set(job, base .. 'deaths', DEAD, job.begun) end
  if walk == 'posted' then return walk_posted(job) end
  return walk_queue(job, string.sub(walk, 7))
end

local function end_job(id, over)
  call('HSET', job_key(id), 'over', over, 'ended', now_text)
  call('PEXPIRE', job_key(id), DAY)
  call('DEL', base .. 'job:lanes:' .. id)
  call('ZREM', base .. 'jobs:running', id)
  if call('EXISTS', base .. 'jobs:running') == 0 then call('PEXPIRE', base .. 'jobs', DAY) end
end

-- One step of JOB: until it has done as much as one call may, or the job is over.
local function sweep(job)
  while not is_full() do
    if not do_walk(job) then return false end
    job.walk, job.position = job.walk + 1, ''
    if job.walk > #job.walks then
      if is_resend or job.acted == 0 or job.passes + 1 >= PASSES_MAX then return true end
      job.walk, job.scan, job.passes, job.acted = 1, '0', job.passes + 1, 0
    end
  end
end

-- Replies 1 if the job goes on, else 0.
local function step(id, owner, lease_ms)
  local job = load_job(id)
  if not job or job.over ~= 'running' then return 0 end
  if job.owner ~= owner and job.lease > now_ms then return 0 end
  job.owner, job.lease = owner, now_ms + lease_ms
  local is_over = sweep(job)
  save_job(job)
  if is_over then end_job(id, 'done') end
  write_tasks()
  schedule_all()
  return is_over and 0 or 1
end
