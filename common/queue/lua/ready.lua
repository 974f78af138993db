#!lua flags=no-writes,allow-oom
-- ready: one step through the tasks that are done and not fetched, oldest first.
-- KEYS: lanes. ARGV: base, account ('': everybody's), 'ready' or 'failed' (the set to look through), cursor ('': from the
-- beginning), path ('': all; else tasks set under it, and what has no path), retention ms, 0, most.
-- Replies {cursor of the next step ('': there is none), 0, event id, when it was done, ...}.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
local account, kind, cursor, prefix = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local keep_ms, most = tonumber(ARGV[6]), tonumber(ARGV[8])
local key = set_key(kind, account ~= '' and '@' .. account or '')
-- A step looks at so many members and reads the heads of so many events: about 1 ms.
local LOOK_MAX, READ_MAX = 3000, 120

-- The rank from which to look, and, where the last member that was looked at is gone, that member: those of the same
-- moment that stand before it were looked at.
local function start()
  if cursor == '' then return call('ZCOUNT', key, '-inf', '(' .. text(now_ms - keep_ms)) end
  local at, member = string.match(cursor, '^(%d+) (.*)$')
  local rank = call('ZRANK', key, member)
  if rank then return rank + 1 end
  return call('ZCOUNT', key, '-inf', '(' .. at), at, member
end

local rank, at, after = start()
local members = call('ZRANGE', key, rank, rank + LOOK_MAX - 1)
local first = 1
if at then
  local same = math.min(#members, call('ZCOUNT', key, at, at))
  while first <= same and members[first] <= after do first = first + 1 end
end

-- Was this path set under the one that is asked for?
local function is_under(path)
  return prefix == '' or path == '' or path == prefix or string.sub(path, 1, #prefix + 1) == prefix .. '/'
end

-- Most members are passed over by the last two characters of the tag; comparing them makes no strings.
local tag = string.match(tag_of(prefix), '^[^-]*')
local NO_PATH = string.byte('-')
local byte, at_tag = string.byte, math.max(1, #tag - 1)
local want_1, want_2 = byte(tag, at_tag, at_tag + 1)

local function may_be_under(member)
  if tag == '' then return true end
  local got_1, got_2 = byte(member, at_tag, at_tag + 1)
  if got_1 == want_1 and got_2 == want_2 then return string.sub(member, 1, #tag) == tag end
  return got_1 == NO_PATH and byte(member) == NO_PATH
end

local reply, reads, last = {'', 0}, 0, #members
for i = first, #members do
  local member = members[i]
  if may_be_under(member) then
    if reads == READ_MAX or #reply >= 2 + 2 * most then
      last = i - 1
      break
    end
    reads = reads + 1
    local event = string.sub(member, TAG + 1)
    local head = call('GETRANGE', base .. 'event:' .. event, 0, FACTS)
    local has_body, path = head_facts(head)
    local done_at = head ~= '' and has_body and is_under(path) and call('ZSCORE', key, member)
    if done_at then
      reply[#reply + 1] = event
      reply[#reply + 1] = done_at
    end
  end
end
if last < #members or #members == LOOK_MAX then
  reply[1] = text(tonumber(call('ZSCORE', key, members[last]))) .. ' ' .. members[last]
end
return reply
