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
local WORK_MAX, ORIGINS_MAX, CIRCUITS_MAX = 600, 1000, 100
local work, origins_left = 0, ORIGINS_MAX
local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local names = {unpack(ARGV, 3, 2 + n)}
local sent = sent_last_minute(names, now_ms)
work = work + SEND_SPANS

-- Nil if this call cannot read so many.
local function circuits_of(lane)
  local key, list = base .. 'origins:' .. lane, {}
  local count = call('HLEN', key)
  if count > origins_left then return nil end
  if count == 0 then return list end
  origins_left = origins_left - count
  local all = call('HGETALL', key)
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
  work = work + 2 * count
  return list
end

local replies, at = {call('HGET', base .. 'settings', 'delay') or ''}, 3 + n
for i, lane in ipairs(names) do
  local count, queue = tonumber(ARGV[at]), base .. 'queue:' .. lane
  local circuits = circuits_of(lane)
  if not circuits and i > 1 then break end -- the next call begins with it
  local depth = call('LLEN', queue)
  work = work + 14
  replies[1 + i] = {depth, depth > 0 and oldest_of(queue) or '0', call('HGET', base .. 'paused', lane) or '0',
    call('HGET', base .. 'lane:' .. lane, 'order') or '', sent[i], destinations_of(at, count), circuits or {}}
  at = at + 1 + 2 * count
  if work >= WORK_MAX or origins_left <= 0 then break end
end
return replies
