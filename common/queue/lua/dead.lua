#!lua flags=no-writes,allow-oom
-- dead: one step through the dead letters of a partition, the last one that died first. It counts them by destination and reason.
-- Looking changes nothing.
-- KEYS: lanes. ARGV: base, cursor ('': from the newest).
-- Replies {cursor of the next step ('': all were seen), how many dead letters it has seen, then for each destination and reason:
-- destination, reason, how many, the last one that died, when it died (ms)}.
--
-- The reason is the error of the last attempt, or its status if it has no error. A dead letter that was queued again, or that has
-- expired, is left out.
local call, base, cursor = redis.call, ARGV[1], ARGV[2]
--@include lib_scores.lua
--@include lib_seen.lua
local LOOKS_MAX, BYTES_MAX = 400, 200000 -- of ids
local groups, order, looks, bytes, seen = {}, {}, 0, 0, 0

local function group_of(destination, reason, id, at)
  local name = destination .. ' ' .. reason
  if not groups[name] then
    groups[name] = {destination = destination, reason = reason, n = 0, id = id, at = at}
    order[#order + 1] = name
  end
  return groups[name]
end

local function look(id, _, at)
  if looks == LOOKS_MAX or bytes >= BYTES_MAX then return false end
  looks, bytes = looks + 1, bytes + #id
  local v = call('HMGET', base .. 'delivery:' .. id, 'state', 'last_error', 'last_status')
  if v[1] ~= 'dead' then return true end
  local reason = v[2] and v[2] ~= '' and v[2] or v[3] or ''
  local group = group_of(destination_of(id), reason, id, at)
  group.n, seen = group.n + 1, seen + 1
  return true
end

local reply = {each_by_score(base .. 'deaths', cursor, '-inf', look), 0}
reply[2] = seen
for _, name in ipairs(order) do
  local g = groups[name]
  for _, part in ipairs({g.destination, g.reason, g.n, g.id, g.at}) do reply[#reply + 1] = part end
end
return reply
