#!lua
-- tally: takes over what a program has counted since its last call, and notes that the program runs.
-- KEYS: lanes. ARGV: base, the program's field in `programs` ('': it is not noted here) and its facts (JSON), then counts: what
-- (history, answers, results, sends or trends), field, how many.
-- Replies the time (ms). lib_spans.lua has the spans of time in which counts are added up.
local call, base = redis.call, ARGV[1]
--@include lib_spans.lua
local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local FORGET_MS, KEPT = 60000, '60000'

local function note_program(field, facts)
  local key = base .. 'programs'
  local all = call('HGETALL', key)
  for i = 1, #all, 2 do
    if now_ms - tonumber(string.match(all[i + 1], '^%d+') or 0) > FORGET_MS then call('HDEL', key, all[i]) end
  end
  call('HSET', key, field, string.format('%d %s', now_ms, facts))
  call('PEXPIRE', key, KEPT)
end

if ARGV[2] ~= '' then note_program(ARGV[2], ARGV[3]) end

-- A span of trends takes no further fields when it is full. So its size does not depend on the number of lanes.
local function has_room(what, key, field)
  return what ~= 'trends' or call('HLEN', key) < TREND_FIELDS or call('HEXISTS', key, field) == 1
end

local touched = {}
for i = 4, #ARGV, 3 do
  local key, expires = span_now(ARGV[i], now_ms)
  if has_room(ARGV[i], key, ARGV[i + 1]) then
    call('HINCRBY', key, ARGV[i + 1], ARGV[i + 2])
    touched[key] = expires
  end
end
for key, expires in pairs(touched) do call('PEXPIRE', key, expires) end
return string.format('%d', now_ms)
