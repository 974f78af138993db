#!lua flags=no-writes,allow-oom
-- posted: one step through the ids of tasks, in the order in which they were accepted.
-- KEYS: lanes. ARGV: base, account ('': everybody's), cursor ('': from the beginning), from ms, to ms, how many to skip, most,
-- 1 for newest first.
-- Replies {cursor of the next step ('': there is none), how many it skipped, id, ms, ...}. It may be more than `most`: the ids of
-- one put stay together.
local base, account, cursor = ARGV[1], ARGV[2], ARGV[3]
local from, to, skip, most, newest = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'
local key = base .. 'posted' .. (account ~= '' and '@' .. account or '')
-- A step looks at so many entries and bytes, and takes so many ids. It reads no more than one CHUNK beyond them: about 1 ms, and 4 ms
-- of ids that are as long as they may be.
local ENTRIES_MAX, BYTES_MAX, IDS_MAX, CHUNK = 600, 1048576, 600, 20

local function next_entries()
  if newest then return redis.call('XREVRANGE', key, cursor ~= '' and '(' .. cursor or to, from, 'COUNT', CHUNK) end
  return redis.call('XRANGE', key, cursor ~= '' and '(' .. cursor or from, to, 'COUNT', CHUNK)
end

local reply, skipped, looked, taken, bytes = {'', 0}, 0, 0, 0, 0
local function is_full() return #reply >= 2 + 2 * most or looked >= ENTRIES_MAX or taken >= IDS_MAX or bytes >= BYTES_MAX end

-- The number of ids in TEXT, separated by spaces.
local function count_ids(text)
  local n, at = 1, string.find(text, ' ', 1, true)
  while at do n, at = n + 1, string.find(text, ' ', at + 1, true) end
  return n
end

-- Finding the spaces takes a tenth of what a pattern for the ids takes.
local function split_ids(text)
  local ids, from, at = {}, 1, string.find(text, ' ', 1, true)
  while at do
    ids[#ids + 1] = string.sub(text, from, at - 1)
    from, at = at + 1, string.find(text, ' ', at + 1, true)
  end
  ids[#ids + 1] = string.sub(text, from)
  return ids
end

local function add(entry)
  looked, bytes = looked + 1, bytes + #entry[2][2]
  if skipped < skip then
    local n = count_ids(entry[2][2])
    if n <= skip - skipped then
      skipped = skipped + n
      return
    end
  end
  local ids = split_ids(entry[2][2])
  taken = taken + #ids
  local first = math.min(#ids, skip - skipped)
  skipped = skipped + first
  local ms = string.match(entry[1], '^%d+')
  for i = first + 1, #ids do
    reply[#reply + 1] = ids[newest and #ids + 1 - i or i]
    reply[#reply + 1] = ms
  end
end

local entries
repeat
  entries = next_entries()
  for _, entry in ipairs(entries) do
    if is_full() then break end
    add(entry)
    cursor = entry[1]
  end
until #entries < CHUNK or is_full()
if #entries == CHUNK or is_full() then reply[1] = cursor end
reply[2] = skipped
return reply
