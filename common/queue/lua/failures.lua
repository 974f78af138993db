#!lua flags=no-writes,allow-oom
-- failures: one step through the failed attempts, newest first. It replies their places; XRANGE then reads those of a page.
-- KEYS: lanes. ARGV: base, account ('': everybody's), 'postback' or 'pingback', cursor ('': from the newest), from ms, to ms, how
-- many to skip, most.
-- Replies {cursor of the next step ('': there is none), how many it skipped, id of the stream's entry, ms, ...}.
local base, account, cursor = ARGV[1], ARGV[2], ARGV[4]
local from, to, skip, most = ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local key = base .. 'errors' .. (account ~= '' and '@' .. account or '') .. ':' .. ARGV[3]
-- A step looks at so many entries and bytes, and at no more than one CHUNK beyond them: about 1 ms. Redis has no way to
-- pass over an entry without reading it.
local ENTRIES_MAX, BYTES_MAX, CHUNK = 500, 524288, 20

local reply, skipped, looked, bytes, entries = {'', 0}, 0, 0, 0
repeat
  entries = redis.call('XREVRANGE', key, cursor ~= '' and '(' .. cursor or to, from, 'COUNT', CHUNK)
  for _, entry in ipairs(entries) do
    if #reply >= 2 + 2 * most then break end
    if skipped < skip then
      skipped = skipped + 1
    else
      reply[#reply + 1] = entry[1]
      reply[#reply + 1] = string.match(entry[1], '^%d+')
    end
    cursor = entry[1]
    bytes = bytes + #entry[2][2]
  end
  looked = looked + #entries
until #entries < CHUNK or #reply >= 2 + 2 * most or looked >= ENTRIES_MAX or bytes >= BYTES_MAX
if #entries == CHUNK or #reply >= 2 + 2 * most then reply[1] = cursor end
reply[2] = skipped
return reply
