#!lua flags=no-writes,allow-oom
-- survey: one step through what a partition holds as a whole, for operators.
-- KEYS: lanes. ARGV: base, part, rank of the first member, how many members; of the part `origins` names of lanes instead.
-- Replies by the part:
--   lanes            {members of `lanes`, lane, depth, ...}
--   deads            {members of `deads`, destination, its lane ('' if it has no dead letter), dead letters, ...}
--   retry, inflight  {members of the set, destination, lane of one of these deliveries, deliveries, ...}
--   paused           {lanes that are stopped, rank that comes next (0: none), lane, ...}; the ranks are cursors of HSCAN
--   origins          {open circuits of the named lanes, lane with an origin that gets nothing now, ...}
local call, base, part = redis.call, ARGV[1], ARGV[2]
--@include lib_seen.lua
local ORIGINS_MAX = 2500 -- that one step reads
local from, most = tonumber(ARGV[3]), tonumber(ARGV[4])

local function lane_of(id) return call('HGET', base .. 'delivery:' .. id, 'lane') or '' end

local function survey_lanes()
  local reply = {call('ZCARD', base .. 'lanes')}
  for _, lane in ipairs(call('ZRANGE', base .. 'lanes', from, from + most - 1)) do
    reply[#reply + 1] = lane
    reply[#reply + 1] = call('LLEN', base .. 'queue:' .. lane)
  end
  return reply
end

local function survey_deads()
  local reply = {call('ZCARD', base .. 'deads')}
  for _, destination in ipairs(call('ZRANGE', base .. 'deads', from, from + most - 1)) do
    local dead = base .. 'dead:' .. destination
    local first = call('LINDEX', dead, 0)
    for _, part_of in ipairs({destination, first and lane_of(first) or '', call('LLEN', dead)}) do reply[#reply + 1] = part_of end
  end
  return reply
end

local function survey_set()
  local reply = {call('ZCARD', base .. part)}
  local count, one = by_destination(part, from, most)
  for destination, deliveries in pairs(count) do
    for _, part_of in ipairs({destination, lane_of(one[destination]), deliveries}) do reply[#reply + 1] = part_of end
  end
  return reply
end

local function survey_paused()
  local cursor, fields = unpack(call('HSCAN', base .. 'paused', from, 'COUNT', most))
  local reply = {call('HLEN', base .. 'paused'), cursor}
  for i = 1, #fields, 2 do reply[#reply + 1] = fields[i] end
  return reply
end

local function survey_origins()
  local open, reply, left = 0, {0}, ORIGINS_MAX
  for i = 3, #ARGV do
    local key = base .. 'origins:' .. ARGV[i]
    local count = call('HLEN', key)
    if count > 0 and count <= left then
      left = left - count
      local has_one = false
      for _, written in ipairs(call('HVALS', key)) do
        local fails, _, _, told = read_origin(written)
        if fails >= CIRCUIT_FAILS then open = open + 1 end
        has_one = has_one or told or fails >= CIRCUIT_FAILS
      end
      if has_one then reply[#reply + 1] = ARGV[i] end
    end
  end
  reply[1] = open
  return reply
end

if part == 'lanes' then return survey_lanes() end
if part == 'deads' then return survey_deads() end
if part == 'paused' then return survey_paused() end
if part == 'origins' then return survey_origins() end
return survey_set()
