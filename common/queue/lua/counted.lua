#!lua flags=no-writes,allow-oom
-- counted: the counts of programs for the last hour, and the programs that run. Looking changes nothing.
-- KEYS: lanes. ARGV: base, what, and for `results` the fields to read; for `answers` the number of spans that earlier calls have read.
-- Replies by WHAT:
--   programs           {facts of each program that was here within the last seconds, ...}, by the kind of program and its name
--   history, trends    {the number of the span that runs now, {field, count, ...} of this span, of the one before, ...}
--   results            {field, count, ...}: sums of the last hour
--   answers            {the number of spans that are read now (0: all), field, count, ...}: the counts of one span or more
local call, base, what = redis.call, ARGV[1], ARGV[2]
--@include lib_spans.lua
local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local GONE_MS = 7000 -- a program says every two seconds that it runs

local function programs()
  local all, names, facts, reply = call('HGETALL', base .. 'programs'), {}, {}, {}
  for i = 1, #all, 2 do
    local seen, text = string.match(all[i + 1], '^(%d+) (.*)$')
    if seen and now_ms - tonumber(seen) < GONE_MS then
      names[#names + 1] = all[i]
      facts[all[i]] = text
    end
  end
  table.sort(names)
  for i, name in ipairs(names) do reply[i] = facts[name] end
  return reply
end

local function each_span()
  local reply = {math.floor(now_ms / SPANS[what][1])}
  for ago = 0, SPANS[what][2] - 1 do reply[#reply + 1] = call('HGETALL', span_key(what, now_ms, ago)) end
  return reply
end

local function named_sums()
  local names, sums, reply = {unpack(ARGV, 3)}, {}, {}
  for ago = 0, SPANS[what][2] - 1 do
    local counts = call('HMGET', span_key(what, now_ms, ago), unpack(names))
    for i = 1, #names do sums[i] = (sums[i] or 0) + tonumber(counts[i] or 0) end
  end
  for i, name in ipairs(names) do
    reply[#reply + 1] = name
    reply[#reply + 1] = sums[i]
  end
  return reply
end

-- The counts of at least one span. Further spans add to them while they are few.
local FIELDS_MAX = 500
local function sums_behind(passed)
  local sums, reply, read = {}, {0}, 0
  for ago = passed, SPANS[what][2] - 1 do
    local all = call('HGETALL', span_key(what, now_ms, ago))
    for i = 1, #all, 2 do sums[all[i]] = (sums[all[i]] or 0) + tonumber(all[i + 1]) end
    read = read + #all / 2
    if read >= FIELDS_MAX then
      reply[1] = (ago + 1) % SPANS[what][2]
      break
    end
  end
  for name, sum in pairs(sums) do
    reply[#reply + 1] = name
    reply[#reply + 1] = sum
  end
  return reply
end

if what == 'programs' then return programs() end
if what == 'history' or what == 'trends' then return each_span() end
if what == 'answers' then return sums_behind(tonumber(ARGV[3])) end
return named_sums()
