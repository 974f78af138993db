#!lua flags=allow-oom
-- job: begins or cancels a job, which acts on every delivery that fits a filter (lib_sweep). A call gives it the id.
-- KEYS: lanes. ARGV: base, cancel, job. Or: base, begin, job, verb, state ('': all that the verb may have), destination, source, lane ('':
-- any), lane of the destination ('': not known), since ms, until ms, account, peer.
-- Replies 1. If it cannot be: 0 (it is over; there are too many jobs), -1 (there is none).
--@include lib_lane.lua
local id, DAY, RUNNING_MAX, KEPT_MAX = ARGV[3], 86400000, 100, 1000
local key, jobs, running = base .. 'job:' .. id, base .. 'jobs', base .. 'jobs:running'

local function cancel()
  local over = call('HGET', key, 'over')
  if not over then return -1 end
  if over ~= 'running' then return 0 end
  call('HSET', key, 'over', 'cancelled', 'ended', now_text)
  call('PEXPIRE', key, DAY)
  call('DEL', base .. 'job:lanes:' .. id)
  call('ZREM', running, id)
  if call('EXISTS', running) == 0 then call('PEXPIRE', jobs, DAY) end
  return 1
end

local WALK = {retry = 'retry', dead = 'deaths', done = 'posted', dropped = 'posted'}

local function walks_of(state, lane, verb)
  local walks = {}
  local states = state ~= '' and {state} or lane ~= '' and {'queued', 'retry'} or {'queued', 'retry', 'dead'}
  for _, one in ipairs(states) do
    local of_lane = lane ~= '' and lane or ARGV[9]
    if one == 'queued' and of_lane ~= '' then
      walks[#walks + 1] = 'queue:' .. of_lane
    elseif one == 'queued' then
      walks[#walks + 1] = 'queues'
    else
      walks[#walks + 1] = WALK[one]
    end
  end
  return table.concat(walks, ' ')
end

-- Ids of jobs that have expired leave the list.
local function trim()
  for _, old in ipairs(call('ZRANGE', jobs, 0, 19)) do
    if call('EXISTS', base .. 'job:' .. old) == 0 then call('ZREM', jobs, old) end
  end
end

local function begin()
  if call('EXISTS', key) == 1 then return 1 end
  trim()
  if call('ZCARD', running) >= RUNNING_MAX or call('ZCARD', jobs) >= KEPT_MAX then return 0 end
  local walks = walks_of(ARGV[5], ARGV[8], ARGV[4])
  call('HSET', key, 'verb', ARGV[4], 'state', ARGV[5], 'destination', ARGV[6], 'source', ARGV[7], 'lane', ARGV[8], 'since', ARGV[10],
    'until', ARGV[11], 'account', ARGV[12], 'peer', ARGV[13], 'begun', now_text, 'over', 'running', 'done', '0', 'failed', '0', 'walks', walks,
    'walk', '1', 'position', '', 'scan', '0', 'passes', '0', 'acted', '0', 'owner', '', 'lease', '0', 'ended', '0')
  call('ZADD', jobs, now_text, id)
  call('PERSIST', jobs)
  call('ZADD', running, now_text, id)
  return 1
end

if ARGV[2] == 'cancel' then return cancel() end
return begin()
