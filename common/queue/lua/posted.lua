#!lua flags=no-writes,allow-oom
-- posted: ids in the order in which they were accepted.
-- KEYS: lanes. ARGV: base, account ('': everybody's), from ms, to ms, how many to skip, most, 1 for newest first.
-- Replies {id, ms, ...}.
local base, account = ARGV[1], ARGV[2]
local from, to, skip, most, newest = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local key = base .. 'posted' .. (account ~= '' and '@' .. account or '')
local STEP = 500

local function next_entries(last)
  if newest then return redis.call('XREVRANGE', key, last and '(' .. last or to, from, 'COUNT', STEP) end
  return redis.call('XRANGE', key, last and '(' .. last or from, to, 'COUNT', STEP)
end

local reply = {}
local function add(entry)
  local ids = {}
  for id in string.gmatch(entry[2][2], '%S+') do ids[#ids + 1] = id end
  if #ids <= skip then
    skip = skip - #ids
    return
  end
  local ms = string.match(entry[1], '^%d+')
  for i = 1, #ids do
    if skip > 0 then
      skip = skip - 1
    elseif #reply < 2 * most then
      reply[#reply + 1] = ids[newest and #ids + 1 - i or i]
      reply[#reply + 1] = ms
    end
  end
end

local last
while #reply < 2 * most do
  local entries = next_entries(last)
  for _, entry in ipairs(entries) do add(entry) end
  if #entries < STEP then break end
  last = entries[#entries][1]
end
return reply
