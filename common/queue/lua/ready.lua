#!lua flags=no-writes,allow-oom
-- ready: one step through the tasks that are done and not fetched, oldest first.
-- KEYS: lanes. ARGV: base, account ('': everybody's), 'ready' or 'failed' (the list to look through), cursor ('': from the
-- beginning), path ('': all; else tasks set under it, and what has no path), retention ms, 0, most.
-- Replies {cursor of the next step ('': there is none), 0, event id, when it was done, ...}.
-- A step goes through the list by path (its cursor begins with 'p'). Exception: it goes through the whole list if there
-- are too many paths under the path asked for, or if the list by path is not complete.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
local account, kind, cursor, prefix = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local keep_ms, most = tonumber(ARGV[6]), tonumber(ARGV[8])
local scope = account ~= '' and '@' .. account or ''
local key, paths = set_key(kind, scope), paths_key(kind, scope)
-- A step looks at so many members, at so many bytes of them, or at so many tags. It reads the heads of so many events: 1 or 2 ms, and
-- 4 ms of ids that are as long as they may be.
local LOOK_MAX, BYTES_MAX, CHUNK, TAGS_MAX, READ_MAX = 3000, 1048576, 300, 250, 100
local NOTHING = string.rep('-', TAG)
local tag = string.match(tag_of(prefix), '^[^-]*')
local reply, reads = {'', 0}, 0

local function is_full() return reads >= READ_MAX or #reply >= 2 + 2 * most end

-- Was this path set under the one that is asked for?
local function is_under(path)
  return prefix == '' or path == '' or path == prefix or string.sub(path, 1, #prefix + 1) == prefix .. '/'
end

-- Adds the event, if it is one of those asked for. DONE_AT: when it was done, or nil: the list knows.
local function add(event, done_at, member)
  reads = reads + 1
  local head = call('GETRANGE', base .. 'event:' .. event, 0, FACTS)
  local has_body, path = head_facts(head)
  if head == '' or not has_body or not is_under(path) then return end
  done_at = done_at or call('ZSCORE', key, member)
  if done_at then
    reply[#reply + 1] = event
    reply[#reply + 1] = done_at
  end
end

-- --- by path ---

-- The tags under the one asked for, and that of what has no path; nil if there are too many.
local function tags_under()
  if #tag == TAG then return {tag, NOTHING} end
  local found, from, to = {NOTHING}, '[' .. tag, '(' .. tag .. 'g'
  while true do
    local first = call('ZRANGEBYLEX', paths, from, to, 'LIMIT', 0, 1)[1]
    if not first then return found end
    if #found > TAGS_MAX then return nil end
    found[#found + 1] = string.sub(first, 1, TAG)
    from = '(' .. found[#found] .. 'g'
  end
end

-- The part of a member behind its tag is its place among the members of all tags.
local function places(of, from, to, n)
  return call('ZRANGEBYLEX', paths, from, to and '(' .. of .. to or '(' .. of .. 'g', 'LIMIT', 0, n)
end

local function add_place(place)
  add(string.sub(place, MOMENT + 1), text(tonumber(string.sub(place, 1, MOMENT), 16)))
  return place
end

-- Puts I into ORDER, which has the numbers of tags by their places in FIRSTS, the smallest last. A tag without a place is left out.
local function insert_by_place(order, firsts, i)
  if not firsts[i] then return end
  local low, high = 1, #order + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if firsts[order[middle]] > firsts[i] then low = middle + 1 else high = middle end
  end
  table.insert(order, low, i)
end

local PLACE_BYTES = 4000 -- of members that cost as much as an event's head

local function walk_paths(found)
  local start = cursor ~= '' and string.sub(cursor, 2)
  local oldest = moment_of(math.max(0, now_ms - keep_ms))
  local firsts, order, last = {}, {}, nil
  local function find_first(i, from)
    local first = places(found[i], from, nil, 1)[1]
    firsts[i] = first and string.sub(first, TAG + 1)
    reads = reads + #(first or '') / PLACE_BYTES
    insert_by_place(order, firsts, i)
  end
  for i, of in ipairs(found) do find_first(i, start and '(' .. of .. start or '[' .. of .. oldest) end
  while true do
    local i = table.remove(order)
    if not i then return end
    if is_full() then break end
    local second = firsts[order[#order]]
    for _, member in ipairs(places(found[i], '[' .. found[i] .. firsts[i], second, math.ceil(READ_MAX - reads))) do
      if is_full() then break end
      last = add_place(string.sub(member, TAG + 1))
    end
    find_first(i, '(' .. found[i] .. last)
  end
  reply[1] = 'p' .. last
end

-- --- through all of the list ---

-- The rank from which to look, and, where the last member that was looked at is gone, that member: those of the same
-- moment that stand before it were looked at.
local function start()
  if cursor == '' then return call('ZCOUNT', key, '-inf', '(' .. text(now_ms - keep_ms)) end
  local at, member = string.match(cursor, '^(%d+) (.*)$')
  local rank = call('ZRANK', key, member)
  if rank then return rank + 1 end
  return call('ZCOUNT', key, '-inf', '(' .. at), at, member
end

-- Most members are passed over by the last two characters of the tag; comparing them makes no strings.
local NO_PATH = string.byte('-')
local byte, at_tag = string.byte, math.max(1, #tag - 1)
local want_1, want_2 = byte(tag, at_tag, at_tag + 1)

local function may_be_under(member)
  if tag == '' then return true end
  local got_1, got_2 = byte(member, at_tag, at_tag + 1)
  if got_1 == want_1 and got_2 == want_2 then return string.sub(member, 1, #tag) == tag end
  return got_1 == NO_PATH and byte(member) == NO_PATH
end

local function walk_all()
  local rank, at, after = start()
  local same = at and call('ZCOUNT', key, at, at) or 0
  local looked, bytes, last = 0, 0, nil

  -- False: the step is full, and MEMBER is for the next one.
  local function look(member)
    local was_seen = looked < same and member <= after
    if not was_seen and may_be_under(member) then
      if is_full() then return false end
      add(string.sub(member, TAG + 1), nil, member)
    end
    looked, bytes, last = looked + 1, bytes + #member, member
    return true
  end

  local function look_at_chunk()
    local members = call('ZRANGE', key, rank + looked, rank + looked + CHUNK - 1)
    for _, member in ipairs(members) do
      if not look(member) then return false end
    end
    return true, #members < CHUNK
  end

  local goes_on, is_end
  repeat goes_on, is_end = look_at_chunk() until not goes_on or is_end or looked >= LOOK_MAX or bytes >= BYTES_MAX
  if not is_end then reply[1] = text(tonumber(call('ZSCORE', key, last))) .. ' ' .. last end
end

local function tags_to_walk()
  if string.sub(cursor, 1, 1) == 'p' then return tags_under() or {} end
  if prefix == '' or cursor ~= '' or call('ZCARD', paths) < call('ZCARD', key) then return nil end
  return tags_under()
end

local found = tags_to_walk()
if found then
  walk_paths(found)
else
  walk_all()
end
return reply
