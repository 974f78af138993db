#!lua flags=no-writes,allow-oom
-- counted: the counts of programs for the last hour, and the programs that run. Looking changes nothing.
-- KEYS: lanes. ARGV: base, what, and for `results` the fields to read; for `answers` a cursor ('': from the beginning).
-- Replies by WHAT:
--   programs           {facts of each program that was here within the last seconds, ...}, by the kind of program and its name
--   history, trends    {the number of the span that runs now, {field, count, ...} of this span, of the one before, ...}
--   results            {field, count, ...}: sums of the last hour
--   answers            {cursor of the next call ('': all are read), number of a span, {field, count, ...} of it, number, ...}. The
--                      parts of a large span come one after the other, and a field may be in two of them
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

-- Spans from the one that runs now to the oldest, or a part of one. A cursor is "<number of the newest span> <number of the span>
-- <cursor of HSCAN>".
local FIELDS_MAX = 2000 -- of one call
local function spans_behind(cursor)
  local length, spans = SPANS[what][1], SPANS[what][2]
  local newest, number, place = string.match(cursor, '^(%d+) (%d+) (%d+)$')
  newest = tonumber(newest or math.floor(now_ms / length))
  number, place = tonumber(number or newest), place or '0'
  local reply, left = {''}, FIELDS_MAX
  while number > newest - spans do
    if left <= 0 then
      reply[1] = string.format('%d %d %s', newest, number, place)
      break
    end
    local part = call('HSCAN', span_key(what, number * length, 0), place, 'COUNT', left)
    reply[#reply + 1] = number
    reply[#reply + 1] = part[2]
    left = left - #part[2] / 2
    place = part[1]
    if place == '0' then number = number - 1 end
  end
  return reply
end

if what == 'programs' then return programs() end
if what == 'history' or what == 'trends' then return each_span() end
if what == 'answers' then return spans_behind(ARGV[3]) end
return named_sums()
