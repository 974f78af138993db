#!lua flags=no-writes,allow-oom
-- lanes: lanes as operators see them. Looking changes nothing.
-- KEYS: lanes. ARGV: base, number of lanes, lane..., then for each lane the number of its destinations, and for each of these its
-- name and its field in `settings`.
-- Replies {the delay in `settings` for everybody ('': none), then for each of as many lanes as it reaches, at least one: {depth, when
-- its oldest delivery was accepted (ms, 0: it is empty), since when an operator has stopped it (ms, 0: nobody has), order ('' or
-- fifo), sends of the last minute, {dead letters, in flight, delay in `settings` (''), ... of each destination}, {origin, state
-- (open, probing, waiting), until when (ms), ...}}}.
local call, base, n = redis.call, ARGV[1], tonumber(ARGV[2])
--@include lib_seen.lua
--@include lib_spans.lua
local WORK_MAX, CIRCUITS_MAX = 600, 100
local LANE_WORK, DESTINATION_WORK, ORIGIN_WORK = 14, 2, 1 / 3
local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local names = {unpack(ARGV, 3, 2 + n)}
local sent = sent_last_minute(names, now_ms)

local function circuits_of(lane, origins)
  local list = {}
  if origins == 0 then return list end
  local all = call('HGETALL', base .. 'origins:' .. lane)
  for i = 1, #all, 2 do
    local fails, till, probes, told = read_origin(all[i + 1])
    if (fails >= CIRCUIT_FAILS or told) and #list < 3 * CIRCUITS_MAX then
      for _, part in ipairs({all[i], probes and 'probing' or told and 'waiting' or 'open', till}) do list[#list + 1] = part end
    end
  end
  return list
end

local function destinations_of(at, count)
  local list = {}
  if count == 0 then return list end
  local of, fields = {}, {}
  for i = 1, count do of[i], fields[i] = ARGV[at + 2 * i - 1], ARGV[at + 2 * i] end
  local busy, delays = call('HMGET', base .. 'busy', unpack(of)), call('HMGET', base .. 'settings', unpack(fields))
  for i = 1, count do
    for _, part in ipairs({call('LLEN', base .. 'dead:' .. of[i]), busy[i] or '0', delays[i] or ''}) do list[#list + 1] = part end
  end
  return list
end

local replies, at, work = {call('HGET', base .. 'settings', 'delay') or ''}, 3 + n, SEND_SPANS
for i, lane in ipairs(names) do
  local count, queue = tonumber(ARGV[at]), base .. 'queue:' .. lane
  local origins = call('HLEN', base .. 'origins:' .. lane)
  work = work + LANE_WORK + count * DESTINATION_WORK + origins * ORIGIN_WORK
  if i > 1 and work > WORK_MAX then break end -- the next call begins with it
  local depth = call('LLEN', queue)
  replies[1 + i] = {depth, depth > 0 and oldest_of(queue) or '0', call('HGET', base .. 'paused', lane) or '0',
    call('HGET', base .. 'lane:' .. lane, 'order') or '', sent[i], destinations_of(at, count), circuits_of(lane, origins)}
  at = at + 1 + 2 * count
end
return replies
