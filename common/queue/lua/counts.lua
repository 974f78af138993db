#!lua flags=no-writes,allow-oom
-- counts: how many tasks are in which state.
-- KEYS: lanes. ARGV: base, account ('': everybody's), done and dead retention ms.
-- Replies {open (accepted and not done), in flight, fetched, ready, failed}.
--@include lib_lane.lua
--@include lib_tasks.lua
local account, done_ms, dead_ms = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local scope = account ~= '' and '@' .. account or ''
local fetched, failed, ready, busy = 0, 0, 0, 0

local this_hour = math.floor(now_ms / HOUR_MS)
for hour = this_hour - math.ceil(math.max(done_ms, dead_ms) / HOUR_MS), this_hour do
  local v = call('HMGET', base .. 'hours' .. scope .. ':' .. text(hour), 'fetched', 'failed')
  if hour >= this_hour - math.ceil(done_ms / HOUR_MS) then fetched = fetched + tonumber(v[1] or 0) end
  if hour >= this_hour - math.ceil(dead_ms / HOUR_MS) then failed = failed + tonumber(v[2] or 0) end
end

local paths = call('SMEMBERS', base .. 'paths' .. scope)
paths[#paths + 1] = ''
for _, path in ipairs(paths) do
  ready = ready + call('ZCOUNT', set_key('ready', scope, path), text(now_ms - done_ms), '+inf')
  failed = failed + call('ZCOUNT', set_key('failed', scope, path), text(now_ms - dead_ms), '+inf')
end

local claimed = account ~= '' and call('HMGET', base .. 'busy', 'postback@' .. account, 'pingback@' .. account) or
  call('HVALS', base .. 'busy')
for i = 1, 2 + #claimed do busy = busy + tonumber(claimed[i] or 0) end
return {tonumber(call('HGET', base .. 'counts' .. scope, 'open') or 0), busy, math.max(0, fetched), ready, math.max(0, failed)}
