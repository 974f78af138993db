#!lua flags=no-writes,allow-oom
-- ready: tasks that are done and not fetched, oldest first.
-- KEYS: lanes. ARGV: base, account ('': everybody's), path ('': all; else tasks set under it, and what has no path), most, done
-- and dead retention ms.
-- Replies {id, done_at, view (lib_view)} each.
--@include lib_lane.lua
--@include lib_tasks.lua
--@include lib_view.lua
local account, prefix, most = ARGV[2], ARGV[3], tonumber(ARGV[4])
local keep = {ready = tonumber(ARGV[5]), failed = tonumber(ARGV[6])}
local scope = account ~= '' and '@' .. account or ''

-- Was this path set under the one that is asked for?
local function is_under(path)
  return prefix == '' or path == prefix or string.sub(path, 1, #prefix + 1) == prefix .. '/'
end

local LOOK_MAX = 5000
local found = {}
-- WHOLE: all that is listed there is asked for; else it may hold what could not be listed under its own path.
local function collect(path, whole)
  for kind, keep_ms in pairs(keep) do
    local set = call('ZRANGEBYSCORE', set_key(kind, scope, path), text(now_ms - keep_ms), '+inf', 'WITHSCORES', 'LIMIT', 0, whole and kind == 'ready' and most or LOOK_MAX)
    for i = 1, #set, 2 do found[#found + 1] = {id = set[i], at = tonumber(set[i + 1]), whole = whole} end
  end
end

collect('', prefix == '')
local first = string.match(prefix, '^[^/]*')
for _, path in ipairs(call('SMEMBERS', base .. 'paths' .. scope)) do
  if is_under(path) or path == first then collect(path, is_under(path)) end
end
table.sort(found, function(a, b) return a.at < b.at or a.at == b.at and a.id < b.id end)

local replies = {}
for _, entry in ipairs(found) do
  if #replies == most then break end
  local t = find_task(entry.id, account)
  local has_body, path = head_facts(t and t.head or '')
  if t and has_body and (entry.whole or path == '' or is_under(path)) then
    judge_task(t)
    replies[#replies + 1] = {entry.id, text(entry.at), view_reply(t)}
  end
end
return replies
