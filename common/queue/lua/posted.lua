#!lua flags=no-writes,allow-oom
-- posted: one step through the ids of tasks, in the order in which they were accepted.
-- KEYS: lanes. ARGV: base, account ('': everybody's), cursor ('': from the beginning), from ms, to ms, how many to skip, most,
-- 1 for newest first.
-- Replies {cursor of the next step ('': there is none), how many it skipped, id, ms, ...}. It may be more than `most`: the ids of
-- one put stay together.
local base, account, cursor = ARGV[1], ARGV[2], ARGV[3]
local from, to, skip, most, newest = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'
local key = base .. 'posted' .. (account ~= '' and '@' .. account or '')
-- A step looks at so many entries and takes so many ids, and at no more than one CHUNK beyond them: about 1 ms.
local ENTRIES_MAX, IDS_MAX, CHUNK = 600, 600, 50

local function next_entries()
  if newest then return redis.call('XREVRANGE', key, cursor ~= '' and '(' .. cursor or to, from, 'COUNT', CHUNK) end
  return redis.call('XRANGE', key, cursor ~= '' and '(' .. cursor or from, to, 'COUNT', CHUNK)
end

local reply, skipped, looked = {'', 0}, 0, 0
-- The number of ids in TEXT, separated by spaces.
local function count_ids(text)
  local n, at = 1, string.find(text, ' ', 1, true)
  while at do n, at = n + 1, string.find(text, ' ', at + 1, true) end
  return n
end

local function add(entry)
  if skipped < skip then
    local n = count_ids(entry[2][2])
    if n <= skip - skipped then
      skipped = skipped + n
      return
    end
  end
  local ids = {}
  for id in string.gmatch(entry[2][2], '%S+') do ids[#ids + 1] = id end
  looked = looked + #ids
  local first = math.min(#ids, skip - skipped)
  skipped = skipped + first
  local ms = string.match(entry[1], '^%d+')
  for i = first + 1, #ids do
    reply[#reply + 1] = ids[newest and #ids + 1 - i or i]
    reply[#reply + 1] = ms
  end
end

local entries_looked, entries = 0
repeat
  entries = next_entries()
  for _, entry in ipairs(entries) do
    if #reply >= 2 + 2 * most then break end
    add(entry)
    cursor = entry[1]
  end
  entries_looked = entries_looked + #entries
until #entries < CHUNK or #reply >= 2 + 2 * most or entries_looked >= ENTRIES_MAX or looked >= IDS_MAX
if #entries == CHUNK or #reply >= 2 + 2 * most then reply[1] = cursor end
reply[2] = skipped
return reply
