#!lua flags=no-writes,allow-oom
-- search: one step through deliveries that fit a filter, newest first. Looking changes nothing.
-- KEYS: lanes. ARGV: base, walk, cursor ('': from the newest), most, since ms, until ms, state, destination, source, lane, tag
-- ('': any), others (1: report what may be in another partition).
--
-- A walk is a list of deliveries in an order of its own:
--   posted         every delivery of the events that were accepted within their retention, newest first
--   words:<kind><name> the same, but only what has this word in the index (lib_words.lua)
--   deaths         dead letters, the last one that died first
--   retry          by the next attempt, latest first
--   inflight       by the end of the lease, latest first
--   queue:<lane>   the lane's queue from its tail
-- Each item has a cursor, from which a later step goes on behind this item.
--
-- Replies {cursor of the next step ('': the walk is over), then for each delivery found: its cursor, its order (a number; larger
-- is earlier in the walk), its id}.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_view.lua
--@include lib_words.lua
--@include lib_scores.lua
local walk, cursor, most, since, till = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local state, destination, source, of_lane, tag, others = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], ARGV[12] == '1'
local CHUNK, ENTRIES = 50, 10 -- that are read at once; an entry of `posted` has up to 64 ids
local SLACK = 60000 -- ms: a receiver's clock may be so far from Redis' own
local reply, found = {''}, 0

local function is_full() return found >= most or work >= WORK_MAX end

local function tag_in(head) return string.match(head, '\nt ([^\n]*)\n') or '' end

-- Does the event of this head fit?
local function fits_event(head)
  if source ~= '' then
    local _, _, kind, owner = read_record(head)
    if kind == 'task' or owner ~= source then return false end
  end
  return tag == '' or tag_in(head) == tag
end

-- Adds the delivery ID if it fits.
local function consider(id, position, order)
  local v = call('HMGET', DELIVERY .. id, 'state', 'lane', 'accepted_at')
  work = work + 1
  local accepted = tonumber(v[3] or 0)
  local fits = v[1] and (state == '' or v[1] == state) and (of_lane == '' or v[2] == of_lane) and accepted >= since and accepted <= till
  if fits or not v[1] and others then
    found = found + 1
    for _, part in ipairs({position, order, id}) do reply[#reply + 1] = part end
  end
end

-- One event of an entry: its deliveries from the one numbered FIRST on. False: the step is full.
local function walk_event(event, entry, e, first)
  local head = head_of(EVENT .. event)
  if not head or not fits_event(head) then return true end
  local d = 0
  for name in string.gmatch(string.match(head, '\no ([^\n]*)\n') or '', '%S+') do
    d = d + 1
    if d > first and (destination == '' or name == destination) then
      if is_full() then return false end
      local position = string.format('%s/%d/%d', entry, e, d)
      consider(event .. ':' .. name, position, string.match(entry, '^%d+'))
      reply[1] = position
    end
  end
  return true
end

-- Walks one entry: its events from number E on, and of event E the deliveries behind FIRST.
local function walk_entry(entry, from, first)
  local ids = {}
  for id in string.gmatch(entry[2][2], '%S+') do table.insert(ids, 1, id) end
  for e = from, #ids do
    if is_full() or not walk_event(ids[e], entry[1], e, e == from and first or 0) then return false end
    reply[1] = string.format('%s/%d/%d', entry[1], e + 1, 0)
  end
  return true
end

local function walk_posted()
  local entry, e, d = string.match(cursor, '^(%d+%-%d+)/(%d+)/(%d+)$')
  local from, to = entry or string.format('%.0f', till + SLACK), string.format('%.0f', math.max(since - SLACK, 0))
  reply[1] = cursor
  repeat
    local entries = call('XREVRANGE', base .. 'posted', from, to, 'COUNT', ENTRIES)
    work = work + #entries / 2
    for _, one in ipairs(entries) do
      local resumed = one[1] == entry
      if not walk_entry(one, resumed and tonumber(e) or 1, resumed and tonumber(d) or 0) then return end
      from = '(' .. one[1]
    end
    if #entries < ENTRIES then
      reply[1] = ''
      return
    end
  until is_full()
end

-- A span that is searched at once grows while it has nothing, so that a word that is everywhere costs little too.
local SPAN_LEAST, SPAN_MOST, EMPTY_WORK, SMALL = 2048, 32768, 0.3, 16384
local BYTES_EACH = 4096 -- of the index for one unit of work

-- The moment (ms) and number of the record at OFFSET.
local function record_at(key, minute, offset)
  local ms, number = struct.unpack('>I2I2', call('GETRANGE', key, text(offset + 4), text(offset + 7)))
  return minute * MINUTE_MS + ms, number
end

-- Is the entry of `posted` with that moment and number above TOP?
local function is_above(top, ms, number) return ms > top.ms or ms == top.ms and number > top.number end

-- Behind the last record of KEY that is not above TOP.
local function end_below(key, minute, top)
  local low, high = 0, call('STRLEN', key) / WORD_BYTES
  work = work + EMPTY_WORK
  if top.ms >= (minute + 1) * MINUTE_MS then return high * WORD_BYTES end
  while low < high do
    local middle = math.floor((low + high) / 2)
    local ms, number = record_at(key, minute, middle * WORD_BYTES)
    work = work + EMPTY_WORK
    if is_above(top, ms, number) then high = middle else low = middle + 1 end
  end
  return low * WORD_BYTES
end

-- The offsets of the records with WORD in RECORDS, which begin at FROM, in their order.
local function offsets_of(records, word, from)
  local list, at = {}, string.find(records, word, 1, true)
  while at do
    if at % WORD_BYTES == 1 then list[#list + 1] = from + at - 1 end
    at = string.find(records, word, at + 1, true)
  end
  return list
end

-- The same for the records of KEY between FROM and STOP.
local function find_word(key, word, from, stop)
  work = work + 1 + (stop - from) / BYTES_EACH
  return offsets_of(call('GETRANGE', key, text(from), text(stop - 1)), word, from)
end

-- A search goes through a thousand minutes and more, most of them with few records. One command reads such a minute. Returns the
-- offsets of the records with WORD that are not above TOP; nil if the minute has many records.
local function find_in_small(key, minute, word, top)
  local all = call('GETRANGE', key, '0', text(SMALL - 1))
  local list = #all < SMALL and offsets_of(all, word, 0)
  work = work + 2 * EMPTY_WORK + #all / BYTES_EACH + (list and #list / 10 or 0)
  while list and #list > 0 do
    local ms, number = struct.unpack('>I2I2', all, list[#list] + 5)
    if not is_above(top, minute * MINUTE_MS + ms, number) then break end
    list[#list] = nil
  end
  return list or nil
end

-- Walks the entries of the records at the offsets LIST, the newest first; those of one entry only once. WALKED: the entry of the
-- record behind them. Returns the last entry walked; nil: the step is full.
local function walk_records(key, minute, list, resume, walked)
  for i = #list, 1, -1 do
    local position = string.format('%.0f-%d', record_at(key, minute, list[i]))
    if position ~= walked then
      if is_full() then
        reply[1] = position .. '/1/0'
        return nil
      end
      walked = position
      local entry, resumed = call('XRANGE', base .. 'posted', position, position)[1], position == resume.entry
      work = work + 1
      if entry and not walk_entry(entry, resumed and resume.e or 1, resumed and resume.d or 0) then return nil end
    end
  end
  return walked
end

-- The entries of one minute that have the word, newest first and none above TOP. RESUME: where the step before ended. False: the
-- step is full.
local function walk_minute(kind, minute, word, top, resume)
  local key, walked, span = words_key(kind, minute), '', SPAN_LEAST
  local few = find_in_small(key, minute, word, top)
  if few then return walk_records(key, minute, few, resume, walked) ~= nil end
  local stop = end_below(key, minute, top)
  while stop > 0 do
    if is_full() then return false end
    local from = math.max(stop - span, 0)
    local list = find_word(key, word, from, stop)
    span = #list > 0 and SPAN_LEAST or math.min(2 * span, SPAN_MOST)
    walked = walk_records(key, minute, list, resume, walked)
    if not walked then return false end
    local lowest = string.format('%.0f-%d', record_at(key, minute, from))
    if lowest ~= walked and lowest ~= resume.entry then reply[1] = lowest .. '/1/0' end
    stop = from
  end
  return true
end

local function walk_words(kind, name)
  local word = word_of(kind, name)
  local entry, e, d = string.match(cursor, '^(%d+%-%d+)/(%d+)/(%d+)$')
  local ms, number = string.match(entry or '', '^(%d+)%-(%d+)$')
  local top = {ms = math.min(tonumber(ms or till + SLACK), now_ms + SLACK), number = tonumber(number or 65535)}
  local first = call('XRANGE', base .. 'posted', '-', '+', 'COUNT', 1)[1]
  local lowest = math.max(since - SLACK, first and tonumber(string.match(first[1], '^%d+')) or now_ms + 2 * SLACK)
  reply[1] = cursor
  for minute = math.floor(top.ms / MINUTE_MS), math.floor(lowest / MINUTE_MS), -1 do
    if is_full() then
      reply[1] = string.format('%.0f-65535/1/0', (minute + 1) * MINUTE_MS - 1)
      return
    end
    if not walk_minute(kind, minute, word, top, {entry = entry, e = tonumber(e), d = tonumber(d)}) then return end
  end
  reply[1] = ''
end

-- A delivery that is not found through its event.
local function walk_delivery(id, position, order)
  local event, name = string.match(id, '^(.*):([^:]*)$')
  reply[1] = position
  if not event or destination ~= '' and name ~= destination then return end
  if (source ~= '' or tag ~= '') and not fits_event(head_of(EVENT .. event) or '') then return end
  consider(id, position, order)
end

local function walk_set(key, lowest)
  reply[1] = each_by_score(key, cursor, lowest, function(id, position, score)
    if is_full() then return false end
    work = work + 0.5
    walk_delivery(id, position, score)
    return true
  end)
end

-- A position is how many were passed, counted from the tail.
local function walk_queue(key)
  local passed = tonumber(string.match(cursor, '^%d+$') or 0)
  reply[1] = cursor
  repeat
    local ids = call('LRANGE', key, -passed - CHUNK, -passed - 1)
    work = work + #ids / 4
    for i = #ids, 1, -1 do
      if is_full() then return end
      passed = passed + 1
      walk_delivery(ids[i], text(passed), call('HGET', DELIVERY .. ids[i], 'accepted_at') or '0')
    end
    if #ids < CHUNK then
      reply[1] = ''
      return
    end
  until is_full()
end

local lane = string.match(walk, '^queue:(.*)$')
if lane then
  walk_queue(QUEUE .. lane)
elseif string.match(walk, '^words:') then
  walk_words(string.match(walk, '^words:(.)(.*)$'))
elseif walk == 'posted' then
  walk_posted()
else
  walk_set(base .. walk, walk == 'deaths' and string.format('%.0f', since) or '-inf')
end
return reply
