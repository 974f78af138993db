#!lua flags=no-writes,allow-oom
-- jobs: the state of jobs, newest first; or the next job that a program may go on with.
-- KEYS: lanes. ARGV: base, next, who asks. Replies {id, verb}; {} if there is none.
-- Or: base, list, job ('': all), most. Replies for each job {id, number of deliveries left to look at, fields and
-- values of its hash as one list}.
--@include lib_lane.lua

local function next_job(owner)
  for _, id in ipairs(call('ZRANGE', base .. 'jobs:running', 0, 99)) do
    local v = call('HMGET', base .. 'job:' .. id, 'verb', 'owner', 'lease')
    if v[1] and (v[2] == owner or tonumber(v[3]) <= now_ms) then return {id, v[1]} end
  end
  return {}
end

local function size_of(walk, destination)
  local lane = string.match(walk, '^queue:(.*)$')
  if lane then return call('LLEN', QUEUE .. lane) end
  if walk == 'retry' then return call('ZCARD', base .. 'retry') end
  if walk ~= 'deaths' then return 0 end
  return destination ~= '' and call('LLEN', base .. 'dead:' .. destination) or call('ZCARD', base .. 'deaths')
end

-- Returns the number of deliveries that the rest of the walks may have.
local function left_of(v)
  if v.over ~= 'running' then return 0 end
  local left, n = 0, 0
  for walk in string.gmatch(v.walks, '%S+') do
    n = n + 1
    if n >= tonumber(v.walk) then left = left + size_of(walk, v.destination) end
  end
  return left
end

local function show(id)
  local fields, v = call('HGETALL', base .. 'job:' .. id), {}
  if #fields == 0 then return nil end
  for i = 1, #fields, 2 do v[fields[i]] = fields[i + 1] end
  return {id, left_of(v), fields}
end

if ARGV[2] == 'next' then return next_job(ARGV[3]) end
local replies = {}
for _, id in ipairs(ARGV[3] ~= '' and {ARGV[3]} or call('ZREVRANGE', base .. 'jobs', 0, tonumber(ARGV[4]) - 1)) do
  replies[#replies + 1] = show(id)
end
return replies
