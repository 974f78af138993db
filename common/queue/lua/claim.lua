#!lua flags=allow-oom
-- claim: puts expired leases and due retries back, then claims deliveries of lanes that are due.
-- KEYS: lanes. ARGV: base, how many, most bytes of records, dead retention ms, dedup ms, this dispatcher's slot (presence.lua),
-- how many for a holder that is not listed, how many for all that have no part in the reserve, number of pairs, then the pairs (destination, how many this dispatcher
-- may claim of it beyond its concurrency)..., then (holder, how many for it, 1 if the reserve is open to it)...
-- Replies {wait_us until there may be more (-1: nothing is waiting); 1 if something only waits for a place
-- in its destination's concurrency, 2 if it waits for room in this dispatcher; {lane, requeues, ...}, {note, ...}, times, claim,
-- record, claim, record...}. A note says what was lost or mended: "<word> <what>". The times are "<Redis' clock (us) when this
-- call began> <us that it took>", or 0 if no claim must wait.
-- A claim is the text "id attempt fence requeues lane origin delay_ms window_ms report wait_us probe resent[ size]". If there is a size, the
-- record has so many bytes and only its head follows: the dispatcher reads the record in pieces (queue_take_load). If report is 1, the
-- dispatcher must report when the request leaves (sent.lua). The request may not leave before wait_us from the beginning of
-- this call. If probe is 1, the claim tries an origin whose circuit is open; 2: an origin that asked to wait. The origin is '*' where the destination has only one.
--
-- claim looks at a lane when its time has come (lib_lane.lua). The next step depends on the deliveries in its queue:
--   only deliveries without delay   claim_many takes as many as there is room for, by one LPOP
--   some with a delay               claim_one takes the head, if its delay allows it. If not, it looks for a shorter delay near
--                                   both ends of the queue. After a claim the next one goes to the tail, once a send
-- If origins of the lane fail, or the lane leads to several, claim_one also takes what has no delay. A delivery whose origin
-- can take nothing now waits beside the lane (lib_origin.lua), and the next one is looked at.
--
-- Holders share the room of a dispatcher (dispatcher/engine/shares.c). A holder is a lane, "l:<lane>", or a destination that shares its
-- lane with others, "d:<destination>". A lane whose holder has no room here stays due, for other dispatchers, and claim does not
-- look at it. `rooms` has what the dispatcher says of holders that it lists; it also lists the lane of a listed destination.
-- Each field of a hash that is read costs as much as a small command. So claim leaves out the kind, which the dispatcher knows
-- from its configuration, and account and secret, which the record has.
--@include lib_lane.lua
local want, bytes_left = tonumber(ARGV[2]), tonumber(ARGV[3])
local dead_ms, dedup_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local LOOK_MAX, PASSED_MAX, LANES_MAX, ASIDE_MAX = 100, 100, 40, 60
-- What one call does besides claiming. What is left stays due, and the next call, which follows at once, goes on with it.
local DUE_MAX, TRIM_MAX, STRANGERS_MAX, LOOKS_MAX = 16, 30, 36, 600
local BESIDE = 12 -- a call that has put so much back claims no more than that, and does half of the rest
local EFFORT_MAX, effort = 96, 0 -- of claims one by one: a lane, a claim, its origin and its probe are 1 each
local strangers, looks, asides, put_back_count = 0, 0, 0, 0
local DROPPED_LONGER_MS = 60000 -- than its event, which the record of a dropped delivery outlives
local ORIGIN_MAX, HEAD_USUAL, HEAD_MAX = 300, 4096, 65536 -- bytes of an origin and of a record's head
-- A record of so many bytes is not in the reply: Lua hashes each byte of a text, so 4 MB of records would take 10 ms.
local RECORD_MAX, RECORD_LAST, HEAD_LAST = 16384, '16383', text(HEAD_MAX - 1)
local claims, leases, moved, claimed = {}, {}, {}, 0
local taken = {} -- lane's queue, id or ids that were taken off it; only for undo
local buried = {} -- id, error of deliveries that were taken off their lanes and become dead letters
local crowded, is_paced = 0, false -- is_paced: a claim of this call must wait
local slot, unlisted, common_room = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local ahead = {} -- destination -> how many may be claimed beyond its concurrency
local AHEAD_END = 9 + 2 * ARGV[9]
for i = 10, AHEAD_END, 2 do ahead[ARGV[i]] = tonumber(ARGV[i + 1]) end
local rooms = {} -- holder -> what is left for it
for i = AHEAD_END + 1, #ARGV, 3 do rooms[ARGV[i]] = {left = tonumber(ARGV[i + 1]), is_reserved = ARGV[i + 2] == '1'} end
local is_tight = AHEAD_END < #ARGV or unlisted <= 0 -- not every holder may have all

-- Returns the rest of the room for T, whose delivery is on LANE. While there is room for all, it looks nothing up.
local function room_of(lane, t)
  if not is_tight then return {left = unlisted} end
  local key = t.limits.is_shared and 'd:' .. t.name or 'l:' .. lane.name
  local room = rooms[key]
  if not room then
    room = {left = unlisted}
    rooms[key] = room
  end
  return room
end

local function room_left(room) return room.is_reserved and room.left or math.min(room.left, common_room) end

-- "<concurrency> <lease ms> <window ms> <attempts> <line> <shared>" of a destination, as dispatchers wrote it. A later version may
-- have written more. LINE: the letter of the record's line with the delivery's URL, if each event brings its own; else "-".
-- SHARED: 1 if other destinations use the lane too.
local limits = {}
local function limits_of(destination)
  local l = limits[destination]
  if l == nil then
    local text = call('HGET', base .. 'limits', destination)
    l = false
    if text then
      local c, lease, window, attempts, line, shared = string.match(text, '^(%d+) (%d+) (%d+) (%d+) ?(%S*) ?(%d*)')
      l = {concurrency = tonumber(c), lease = tonumber(lease), window = tonumber(window), attempts = tonumber(attempts),
        line = string.match(line, '^%a$'), is_shared = shared == '1'}
      l.share = l.line and math.ceil(l.concurrency / 2) -- of one origin
      l.is_screened = l.line or l.is_shared
    end
    limits[destination] = l
  end
  return l
end

-- The score of a claim in `inflight`: when its lease ends (ms, up to 0.25 s late), and in its last 7 bits this dispatcher's slot.
local function lease_end(lease_ms)
  local at = now_ms + lease_ms + 128
  return text(at - at % 128 + slot)
end

local firsts = {} -- sorted set -> when its first member is due (first_due), as long as this call knows it

-- Is the first member of this sorted set due?
local function is_due(name)
  local at = first_due(name)
  firsts[name] = at
  return at and at <= now_ms
end

-- Puts back what is due, or ends what is buried. Most calls find nothing, and then it costs them nothing: Lua makes the
-- functions in here each time that this one is called.
local function put_back(is_burial)
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_ended.lua
--@include lib_delivery.lua
--@include lib_origin.lua
--@include lib_circuit.lua
--@include lib_lapse.lua
  local function attempts_of(destination)
    local l = limits_of(destination)
    return l and l.attempts
  end

  local function queue_due_retries()
    for _, id in ipairs(call('ZRANGEBYSCORE', base .. 'retry', '-inf', now_ms, 'LIMIT', 0, DUE_MAX)) do
      put_back_count = put_back_count + 1
      local d = delivery_load(id)
      if d and d.state == 'retry' then
        local lane = lane_load(d.lane)
        if lane.hold == id then lane.hold, lane.hold_until = '', 0 end
        requeue(d, lane)
        delivery_save(d)
      elseif not d then
        note('delivery_gone', id)
      end
      call('ZREM', base .. 'retry', id) -- last, so that it is nowhere lost if Redis refuses one of these
    end
  end

  local function bury()
    for i = 1, #buried, 2 do
      local d = delivery_load(buried[i])
      if d then
        note(buried[i + 1], d.id)
        delivery_set(d, 'last_status', '0')
        delivery_set(d, 'last_error', buried[i + 1])
        finish(d, 'dead', dead_ms, dedup_ms, 'dead')
        delivery_save(d)
      end
    end
    write_tasks()
  end

  -- Dead letters whose retention is over leave their list; oldest first, bounded.
  local function trim_dead()
    local due = call('ZRANGEBYSCORE', base .. 'deads', '-inf', now_ms, 'LIMIT', 0, 1)[1]
    if not due then return end
    local list = base .. 'dead:' .. due
    for _ = 1, TRIM_MAX do
      local id = call('LINDEX', list, -1)
      if not id then
        call('ZREM', base .. 'deads', due)
        return
      end
      local left = call('PTTL', DELIVERY .. id) - afterglow(dead_ms)
      if left >= 0 and call('HGET', DELIVERY .. id, 'state') == 'dead' then
        call('ZADD', base .. 'deads', now_ms + left, due)
        return
      end
      call('RPOP', list)
    end
  end

  if is_burial then return bury() end
  local lapsed = call('ZRANGEBYSCORE', base .. 'inflight', '-inf', now_ms, 'LIMIT', 0, DUE_MAX)
  put_back_count = #lapsed
  lapse(lapsed, attempts_of, dead_ms, dedup_ms)
  queue_due_retries()
  trim_dead()
  for _, lane in pairs(loaded) do lane_schedule(lane) end
end

local next_fence, last_fence = 1, 0
local function take_fence()
  if next_fence > last_fence then
    last_fence = call('INCRBY', base .. 'fences', text(want))
    if last_fence == want then -- the key is new or was lost: go on above every fence that was given out before
      last_fence = now_ms + want
      call('SET', base .. 'fences', text(last_fence))
    end
    next_fence = last_fence - want + 1
  end
  next_fence = next_fence + 1
  return next_fence - 1
end

local destinations, last_target = {}, nil -- name -> what claims of it have in common
local function target_of(id)
  local t = last_target
  if t and sub(id, t.suffix_at) == t.suffix then return t end
  local name = string.match(id, DESTINATION) or '' -- no delivery's id is without a colon
  t = destinations[name]
  if not t then
    local l = limits_of(name)
    local busy = tonumber(call('HGET', base .. 'busy', name) or 0)
    t = {name = name, suffix = ':' .. name, suffix_at = -1 - #name, event_end = -2 - #name, limits = l, busy = busy, was = busy, ahead = ahead[name] or 0,
      shares = {}, expires = l and lease_end(l.lease)}
    destinations[name] = t
  end
  last_target = t
  return t
end

-- True if nothing for T can be claimed now, although the delay allows it. Parks the lane then. MORE: so many may be claimed
-- beyond the destination's concurrency; they wait for their turn in the dispatcher.
local function blocked(lane, t, more)
  local l = t.limits
  if not l then return true end -- claim_one does what is to be done
  if t.busy >= l.concurrency + more then
    lane.parked = now + 1000000 -- brought forward when one of them ends
    crowded = math.max(crowded, 1)
    return true
  end
  t.room = t.room or room_of(lane, t)
  if room_left(t.room) <= 0 then
    crowded = 2
    return true
  end
  if bytes_left <= 0 then return true end
end

-- ID was taken off its lane and becomes a dead letter. This is much work, so one call buries at most a quarter of ASIDE_MAX.
local function bury(id, error)
  asides = asides + 4
  buried[#buried + 1] = id
  buried[#buried + 1] = error
end

-- The record of EVENT, or its head if the record is large. Returns also its size then, as the claim's text has it.
local function read_event(event)
  local record = call('GETRANGE', event, '0', RECORD_LAST)
  if #record < RECORD_MAX then return record end
  local stop = string.find(record, '\n\n', 1, true)
  if not stop then
    record = call('GETRANGE', event, '0', HEAD_LAST)
    stop = string.find(record, '\n\n', 1, true)
  end
  return string.sub(record, 1, stop and stop + 1 or -1), ' ' .. call('STRLEN', event)
end

-- Claims the delivery ID, which goes to T. TAIL is the end of the claim's text. Returns the fence; nil if the event is lost.
local function claim(t, id, key, attempts, tail)
  local record, size = read_event(EVENT .. sub(id, 1, t.event_end))
  if record == '' then return bury(id, 'event_lost') end
  local fence = take_fence()
  local written = text(fence)
  local attempt = attempts == '0' and '1' or text(tonumber(attempts) + 1)
  -- A delivery that was sent again has `since`. It was attempted before, so first attempts need not look.
  local resent = attempt ~= '1' and call('HEXISTS', key, 'since') == 1 and ' 1' or ' 0'
  call('HSET', key, 'state', 'inflight', 'attempts', attempt, 'fence', written)
  local n, room = claimed, t.room
  claimed = n + 2
  leases[n + 1], leases[n + 2] = t.expires, id
  claims[n + 1], claims[n + 2] = id .. ' ' .. attempt .. ' ' .. written .. tail .. resent .. (size or ''), record
  t.busy = t.busy + 1
  bytes_left = bytes_left - #record
  want = want - 1
  room.left = room.left - 1
  if not room.is_reserved then common_room = common_room - 1 end
  return fence
end

local function claim_tail(requeues, lane, origin, delay_ms, l, report, wait_us, probe)
  return string.format(' %s %s %s %d %d %d %d %d', requeues, lane.name, origin or '*', delay_ms, l.window, report, wait_us, probe)
end

-- Notes the claim of ID in the lane's clock.
local function note_claim(lane, l, id)
  lane.open = lane.open + 1
  if now + l.window * 1000 > lane['until'] or lane.open == 1 then
    lane['until'] = now + l.window * 1000
    lane.window = l.window
  end
  if lane.order == 'fifo' then
    lane.hold, lane.hold_until = id, lease_end(l.lease) * 1000
  end
end

-- The id in the list belongs to no queued delivery. Either an operator dropped the delivery there, and its id was kept
-- until now; or somebody put the id into the list; or somebody deleted the delivery.
local function pass_over(lane, id, state)
  strangers = strangers + 1
  local key = DELIVERY .. id
  if state == 'dropped' and call('HDEL', key, 'in_queue') == 1 then
    call('PEXPIRE', key, text(dead_ms + DROPPED_LONGER_MS))
    return
  end
  lane.is_doubtful = true
  note(state and 'not_queued' or 'delivery_gone', id)
end

-- Nothing is queued, so nothing may be counted: counts of deliveries that somebody deleted, or took out of the list, would keep
-- the lane in `lanes`.
local function forget_counts(lane)
  if call('EXISTS', lane.queue) == 1 then return end -- the head is behind more strangers than one call looks at
  if lane_shortest(lane) then note('counts', lane.name) end
  call('DEL', lane.delays)
  lane.count, lane.known = {}, {}
end

-- Claims from a lane without delays, as many as may go at once but at most SHARE. True if claim_one must do it.
local function claim_many(lane, share)
  local head = call('LINDEX', lane.queue, '0')
  if not head then return forget_counts(lane) end
  local t = target_of(head)
  if not t.limits or t.limits.is_screened then return true end
  if blocked(lane, t, t.ahead) then return end
  local free = t.limits.concurrency + t.ahead - t.busy
  if lane.order == 'fifo' then free = 1 end
  if free < share and free < want then crowded = math.max(crowded, 1) end
  local ids = call('LPOP', lane.queue, text(math.min(share, want, free, room_left(t.room))))
  local first, count, tail, of, noted = t, #ids
  taken[#taken + 1], taken[#taken + 2] = lane.queue, ids
  for i = 1, count do
    local id = ids[i]
    local key = DELIVERY .. id
    local v = call('HMGET', key, 'state', 'attempts')
    if v[1] == 'queued' then -- else it was ended while it waited
      t = target_of(id)
      -- Of the first destination, no more were taken than may go.
      if bytes_left <= 0 or asides >= ASIDE_MAX or t ~= first and blocked(lane, t, t.ahead) then
        for j = count, i, -1 do call('LPUSH', lane.queue, table.remove(ids)) end
        count = i - 1
        break
      end
      if t ~= of then tail, of = claim_tail('0', lane, nil, 0, t.limits, 0, 0, 0), t end
      local fence = claim(t, id, key, v[2], tail)
      if fence and t == noted then
        lane.open = lane.open + 1
      elseif fence then
        note_claim(lane, t.limits, id)
        noted = t
      end
    else
      pass_over(lane, id, v[1])
    end
  end
  lane_count(lane, 0, -count)
end

-- What lanes need on which some deliveries have a delay, whose origins fail, or which lead to several. Other lanes do without these
-- functions, which Lua makes each time that this one is called.
local function one_by_one()
--@include lib_origin.lua
  local function look_at(id)
    local key = DELIVERY .. id
    local v = call('HMGET', key, 'state', 'delay_ms', 'attempts', 'requeues')
    return {id = id, key = key, state = v[1], delay_ms = tonumber(v[2] or 0), attempts = v[3] or '0', requeues = v[4] or '0'}
  end

  -- The scheme, host and port of a URL template. A login comes before an '@'.
  local function origin_of_url(url)
    local scheme, host = string.match(url, '^(%a+)://([^/?#]*)')
    if not host then return '-' end
    host = string.match('@' .. string.lower(host), '^.*@(.*)$')
    if not string.find(host, ':%d+$') then host = host .. (string.lower(scheme) == 'https' and ':443' or ':80') end
    return string.sub(string.gsub(string.lower(scheme) .. '://' .. host, '%s', '_'), 1, ORIGIN_MAX)
  end

  -- The origin of delivery ID to T. Nil if T has only one.
  local function origin_of(t, id)
    local letter = t.limits.line
    if not letter then return nil end
    local key, head, stop = EVENT .. string.sub(id, 1, t.event_end)
    for _, most in ipairs({HEAD_USUAL, HEAD_MAX}) do
      head = call('GETRANGE', key, 0, most - 1)
      stop = string.find(head, '\n\n', 1, true)
      if stop or #head < most then break end
    end
    return origin_of_url(string.match(string.sub(head, 1, stop or -1), '\n' .. letter .. ' ([^\n]*)') or '')
  end

  -- Returns the number of deliveries in flight to an origin of T.
  local function share_of(t, origin)
    local share = t.shares[origin]
    if not share then
      local n = tonumber(call('HGET', base .. 'shares:' .. t.name, origin) or 0)
      share = {n = n, was = n}
      t.shares[origin] = share
    end
    return share
  end

  -- Does the origin E of D recover from a wait, and has as many requests in flight as it may have? It has recovered when it takes as
  -- many as any other.
  local function is_crowded(lane, t, d, e)
    if e.answers == 0 then return false end
    local l, room = t.limits, origin_room(e)
    if room < (d.origin and l.share or l.concurrency) then return (d.origin and share_of(t, d.origin).n or t.busy) >= room end
    e.answers = 0
    origin_save(lane, e)
    return false
  end

  -- Until when (ms) the delivery D to T must wait; nil if it may go. The second value is true if it waits for a claim to end.
  -- Sets d.origin, and d.probes (1 or 2, as a claim says it) if it tries an origin that has taken nothing for a while.
  local function must_wait(lane, t, d)
    d.origin = origin_of(t, d.id)
    if lane.trouble ~= 0 then
      local e = origin_load(lane, origin_name(t.name, d.origin))
      if origin_is_shut(e) then
        if now_ms < e.till then return e.till end
        d.probes = e.fails >= CIRCUIT_FAILS and 1 or 2
      elseif is_crowded(lane, t, d, e) then
        return now_ms + 1000, true
      end
    end
    local l = t.limits
    if d.origin and share_of(t, d.origin).n >= l.share then return now_ms + 1000, true end
    if l.is_shared and (t.busy >= l.concurrency or room_left(room_of(lane, t)) <= 0) then return now_ms + 1000, true end
  end

  -- The lane waits until TILL (ms). IS_CROWDED: or until a claim ends.
  local function hold_lane(lane, till, is_crowded)
    if is_crowded then
      lane.parked, crowded = till * 1000, math.max(crowded, 1)
    else
      lane.pause = math.min(till, now_ms + PAUSE_MAX_MS) * 1000
    end
  end

  -- No dispatcher that runs knows the destination T: `limits` has no row of it. `unknown` has since when, and the lanes. Dispatchers
  -- look into `limits` every few seconds; the one that knows the destination writes the row and brings its deliveries back
  -- (limits.lua). Until then they wait: beside the lane for UNKNOWN_MS, on a fifo lane at its head for UNKNOWN_FIFO_MS. Then they
  -- are dead letters. Returns until when (ms).
  local UNKNOWN_MS, UNKNOWN_FIFO_MS, UNKNOWN_LANES = 3600000, 10000, 512 -- ms, ms, bytes
  local function unknown_until(lane, t)
    local key = base .. 'unknown'
    local written = call('HGET', key, t.name)
    local since = tonumber(string.match(written or '', '^%d+'))
    if not since or since > now_ms then
      since, written = now_ms, nil
      note('unknown', t.name)
    end
    local found = written and string.find(written .. ' ', ' ' .. lane.name .. ' ', 1, true)
    if not found and #(written or '') < UNKNOWN_LANES then
      call('HSET', key, t.name, (written or text(since)) .. ' ' .. lane.name)
    end
    return since + (lane.order == 'fifo' and UNKNOWN_FIFO_MS or UNKNOWN_MS)
  end

  -- D, which is next on its lane, goes to T, which nobody knows. As put_aside.
  local function put_unknown(lane, t, d, take)
    if asides >= ASIDE_MAX then return true end
    local till = unknown_until(lane, t)
    if till > now_ms and lane.order == 'fifo' then
      lane.parked = till * 1000
      return true
    end
    if till > now_ms then
      asides = asides + 1
      origin_aside(lane, origin_load(lane, t.name), d, till)
    else
      bury(d.id, 'no_destination')
    end
    take(lane, d)
    return true
  end

  -- The delivery D, which is next on its lane, waits beside the lane if its origin can take nothing now. TAKE takes it off the
  -- lane's queue. If the lane has only one origin, or fifo order, the lane waits. True if D may not be claimed.
  local function put_aside(lane, t, d, take)
    if not t.limits then return put_unknown(lane, t, d, take) end
    if lane.trouble == 0 and not t.limits.is_screened then return false end
    local till, waits_for_claim = must_wait(lane, t, d)
    if not till then return false end
    if lane.order == 'fifo' or not t.limits.is_screened then
      hold_lane(lane, till, waits_for_claim)
      return true
    end
    if asides >= ASIDE_MAX then return true end -- the lane stays due, and the next call goes on
    asides = asides + 1
    origin_aside(lane, origin_load(lane, origin_name(t.name, d.origin)), d, till)
    take(lane, d)
    return true
  end

  -- May another delivery of the lane be looked at in this call, after one of them had to wait?
  local function goes_on(lane) return lane.pause <= now and lane.parked <= now and asides < ASIDE_MAX end

  -- D, whose claim has this fence, takes a place of its origin's share, and probes the origin if its circuit is open.
  local function note_origin(lane, t, d, fence)
    effort = effort + 1 + (d.origin and 1 or 0) + (d.probes and 1 or 0)
    if d.origin then
      local share = share_of(t, d.origin)
      share.n = share.n + 1
      call('HSET', d.key, 'origin', d.origin)
    end
    if d.probes then
      local e = origin_load(lane, origin_name(t.name, d.origin))
      e.probe, e.till = fence, now_ms + t.limits.lease
      origin_save(lane, e)
    end
  end

  -- Claims D by itself. REPORT: 1 if some on the lane have a delay. False if D's event is lost.
  local function claim_paced(lane, d, report)
    local t = target_of(d.id)
    local wait = math.max(0, lane_when(lane, d.delay_ms) - now)
    is_paced = is_paced or wait > 0
    local fence = claim(t, d.id, d.key, d.attempts,
      claim_tail(d.requeues, lane, d.origin, d.delay_ms, t.limits, report, wait, d.probes or 0))
    if not fence then return false end
    note_claim(lane, t.limits, d.id)
    note_origin(lane, t, d, fence)
    if d.delay_ms > 0 then lane.holder = fence end
    return true
  end

  -- Takes D, which is the head, off the list.
  local function pop(lane, d)
    call('LPOP', lane.queue)
    local n = #taken
    taken[n + 1], taken[n + 2] = lane.queue, d.id
    lane_count(lane, d.delay_ms, -1)
  end

  -- Takes D, which pick found, off the list.
  local function pull(lane, d)
    call('LREM', lane.queue, d.from, d.id)
    local n = #taken
    taken[n + 1], taken[n + 2] = lane.queue, d.id
    lane_count(lane, d.delay_ms, -1)
  end

  -- The first delivery that is really queued. Ids of others leave the queue on the way. Those of strangers were counted only if a
  -- delivery of this id was queued once, so the counts may be too low now (lane_recount). Nil if the queue is empty; false if
  -- this call has passed over so many that another must go on.
  local function head_of(lane)
    while true do
      local id = call('LINDEX', lane.queue, '0')
      if not id then return nil end
      local d = look_at(id)
      if d.state == 'queued' then return d end
      if strangers >= STRANGERS_MAX then return false end
      pass_over(lane, id, d.state)
      pop(lane, d)
    end
  end

  -- The rule of the queue: if the next delivery must wait for its delay, it goes to the tail, once per send. After PASSED_MAX
  -- times it keeps its place.
  local function transfer_next(lane)
    local d = head_of(lane)
    if not d or d.delay_ms == 0 then return end -- without a delay nothing is waited for
    if lane.order == 'fifo' or tonumber(d.requeues) >= PASSED_MAX then
      lane.held = d.delay_ms
      return
    end
    call('LMOVE', lane.queue, lane.queue, 'LEFT', 'RIGHT')
    call('HINCRBY', d.key, 'requeues', '1')
    moved[lane.name] = (moved[lane.name] or 0) + 1
  end

  -- The head must wait, but a shorter delay may go. Looks for one near both ends.
  local function pick(lane)
    for _, range in ipairs({{0, LOOK_MAX, 1}, {-LOOK_MAX, -1, -1}}) do
      looks = looks + 5
      for _, id in ipairs(call('LRANGE', lane.queue, range[1], range[2])) do
        looks = looks + 1
        local delay_ms = tonumber(call('HGET', DELIVERY .. id, 'delay_ms') or 0)
        if lane_ready(lane, delay_ms) <= now then
          local d = look_at(id)
          d.from = range[3]
          if d.state == 'queued' then return d end
        end
      end
    end
  end

  -- Claims one delivery from a lane on which some have a delay. True if the lane may be looked at again now.
  local function claim_one(lane, report)
    local head = head_of(lane)
    if not head then return forget_counts(lane) end
    local when = lane_ready(lane, head.delay_ms)
    if when <= now then
      lane.held = 0
      local t = target_of(head.id)
      if put_aside(lane, t, head, pop) then return goes_on(lane) end
      if blocked(lane, t, 0) then return end
      pop(lane, head)
      if not claim_paced(lane, head, report) then return goes_on(lane) end
    elseif lane.order == 'fifo' or tonumber(head.requeues) >= PASSED_MAX then
      lane.held = head.delay_ms
      return
    else
      if looks >= LOOKS_MAX then return end -- the lane stays due, and the next call goes on
      local d = pick(lane)
      if not d then
        -- One that may go now is out of sight: the head goes first.
        if lane_ready(lane, lane_shortest(lane)) <= now then lane.parked = when end
        return
      end
      local t = target_of(d.id)
      if put_aside(lane, t, d, pull) then return goes_on(lane) end
      if blocked(lane, t, 0) then return end
      pull(lane, d)
      if not claim_paced(lane, d, report) then return goes_on(lane) end
    end
    transfer_next(lane)
    return lane.holder == 0 and lane.hold == ''
  end

  return claim_one, origins_check
end

local claim_one, origins_check -- once a lane needs them

-- The delivery that a fifo lane waits for is in no list: `retry` or `inflight` was lost. It goes back to the head of its lane; if
-- a dispatcher may still have it, when its lease is over.
local function find_hold(lane, state)
  local id = lane.hold
  note('unlisted', id)
  if state == 'inflight' then
    local l = limits_of(string.match(id, DESTINATION))
    call('ZADD', base .. 'inflight', text(now_ms + (l and l.lease or LEASE_MAX / 1000)), id)
    firsts.inflight = nil
    return true
  end
  lane_push(lane, id, tonumber(call('HGET', DELIVERY .. id, 'delay_ms')) or 0, 'LPUSH')
  call('HSET', DELIVERY .. id, 'state', 'queued')
end

-- Does a fifo lane wait for a delivery that is on its way?
local function is_held(lane)
  if lane.hold == '' then return false end
  local state = call('HGET', DELIVERY .. lane.hold, 'state')
  if state ~= 'retry' and state ~= 'inflight' then return false end
  if not call('ZSCORE', base .. state, lane.hold) and not find_hold(lane, state) then return false end
  if lane.hold_until <= now then lane.hold_until = now + 100000 end
  return true
end

local function claim_lane(name, share)
  local lane = lane_load(name)
  lane_lapse(lane, next_fence <= last_fence and next_fence - 1)
  if lane.pause > now or lane.paused == 1 then return end
  if is_held(lane) then return end -- nothing passes it
  lane.hold, lane.hold_until, lane.parked = '', 0, 0
  if not next(lane_know(lane)) then lane_recount(lane) end
  local known = lane.known
  local one = next(known)
  local is_plain = one == 0 and next(known, 0) == nil and lane.holder == 0
  if is_plain and lane.trouble == 0 and not claim_many(lane, share) then return end
  if not claim_one then claim_one, origins_check = one_by_one() end
  origins_check(lane)
  effort = effort + 1
  local least = want - share
  while want > 0 and want > least and effort < EFFORT_MAX do
    if not claim_one(lane, is_plain and 0 or 1) then return end
  end
end

-- Up to about MOST lanes with room, as {lane, when it is due (ms)}, first the one that is due first.
local function lanes_with_room(most)
  local found = {}
  if unlisted <= 0 or common_room <= 0 then -- only listed lanes can have room
    for key, room in pairs(rooms) do
      local lane = room_left(room) > 0 and string.match(key, '^l:(.*)')
      local at = lane and call('ZSCORE', base .. 'lanes', lane)
      if at then found[#found + 1] = {lane, tonumber(at)} end
    end
    table.sort(found, function(a, b) return a[2] < b[2] end)
    return found
  end
  local closed = 0
  for _, room in pairs(rooms) do
    if room_left(room) <= 0 then closed = closed + 1 end
  end
  local all = call('ZRANGE', base .. 'lanes', '0', text(most + closed - 1), 'WITHSCORES')
  for i = 1, #all, 2 do
    local room = rooms['l:' .. all[i]]
    if not room or room_left(room) > 0 then found[#found + 1] = {all[i], tonumber(all[i + 1])} end
  end
  return found
end

local function due_lanes()
  if not is_tight then return call('ZRANGEBYSCORE', base .. 'lanes', '-inf', string.format('%.3f', now / 1000), 'LIMIT', '0', text(LANES_MAX)) end
  crowded = 2
  local due = {}
  for _, entry in ipairs(lanes_with_room(LANES_MAX)) do
    if entry[2] <= now / 1000 and #due < LANES_MAX then due[#due + 1] = entry[1] end
  end
  return due
end

local function claim_due()
  local due = due_lanes()
  local share = math.max(1, math.floor(want / math.max(1, #due)))
  for _, name in ipairs(due) do
    if want <= 0 or bytes_left <= 0 or strangers >= STRANGERS_MAX or asides >= ASIDE_MAX or effort >= EFFORT_MAX then break end
    claim_lane(name, share)
  end
end

-- Up to 128 members Redis keeps a sorted set as one packed list, in which 64 more with one score cost 80 to 170 us; as a
-- skip list they cost 20. It keeps a hash of up to 512 fields so too, and searches it from its beginning. It takes the other
-- form for good when a member is longer than 64 bytes, so a long one comes first and leaves again at once.
local MANY = 8

local function write_leases()
  local key = base .. 'inflight'
  if #leases < 2 * MANY then
    if #leases > 0 then call('ZADD', key, unpack(leases)) end
    return
  end
  call('ZADD', key, '0', LONG, unpack(leases))
  call('ZREM', key, LONG)
end

local function write_busy()
  local key, changed = base .. 'busy', {}
  for _, t in pairs(destinations) do
    if t.busy ~= t.was then changed[#changed + 1] = t end
  end
  if #changed >= MANY then call('HSET', key, LONG, '0') end
  for _, t in ipairs(changed) do
    call('HINCRBY', key, t.name, text(t.busy - t.was))
    if firsts.inflight ~= nil then firsts.inflight = math.min(firsts.inflight or math.huge, tonumber(t.expires)) end
  end
  if #changed >= MANY then call('HDEL', key, LONG) end
end

local function write_claims()
  write_leases()
  write_busy()
  for name, t in pairs(destinations) do
    for origin, share in pairs(t.shares) do
      if share.n ~= share.was then call('HINCRBY', base .. 'shares:' .. name, origin, text(share.n - share.was)) end
    end
  end
end

local function work()
  if is_due('inflight') or is_due('retry') or is_due('deads') then
    put_back()
    firsts = {}
  end
  if put_back_count >= BESIDE then
    want = math.min(want, BESIDE)
    asides, strangers, looks, effort = ASIDE_MAX / 2, STRANGERS_MAX / 2, LOOKS_MAX / 2, EFFORT_MAX / 2
  end
  if want > 0 then claim_due() end
  if asides > 0 then firsts.retry = nil end
  write_claims()
  if #buried > 0 then put_back(true) end
  schedule_all()
end

-- Redis refused a command, because rights were taken away. undo puts the deliveries that this call took back on their
-- lanes, so that none is lost.
local function undo()
  local leased = {}
  for i = 2, #leases, 2 do leased[leases[i]] = true end
  for i = #taken - 1, 1, -2 do
    local ids = type(taken[i + 1]) == 'table' and taken[i + 1] or {taken[i + 1]}
    for j = #ids, 1, -1 do
      local id = ids[j]
      local state = redis.pcall('HGET', DELIVERY .. id, 'state')
      if state == 'queued' or leased[id] then
        redis.pcall('HSET', DELIVERY .. id, 'state', 'queued')
        redis.pcall('ZREM', base .. 'inflight', id)
        redis.pcall('LPUSH', taken[i], id)
      end
    end
  end
end

local is_done, failure = pcall(work)
if not is_done then
  undo()
  if loading then
    call('HDEL', base .. 'lane:' .. loading, 'clock')
    return {0, 0, {}, {'clock ' .. loading}, 0}
  end
  return type(failure) == 'table' and failure or redis.error_reply(tostring(failure))
end
-- The dispatcher learns from it how long ago the waits of the claims began. A claim of 20 lanes with a delay takes a millisecond.
-- From Redis 7.2 on, TIME says the same all through a script.
local function times()
  if not is_paced then return 0 end
  local ended = call('TIME')
  return format('%d %d', now, ended[1] * 1000000 + ended[2] - now)
end

local requeues = {}
for name, n in pairs(moved) do
  requeues[#requeues + 1] = name
  requeues[#requeues + 1] = n
end
-- Lanes without room here count for nothing: the end of a delivery that is in flight brings the next claim.
if is_tight then
  local first = lanes_with_room(1)[1]
  firsts.lanes = first and first[2] or false
end
return {until_due(firsts), crowded, requeues, notes, times(), unpack(claims)}
