#!lua flags=allow-oom
-- limits: writes what claim must know of the destinations of this partition, and mends what was lost or is broken. Each dispatcher calls it when it
-- starts, after a reload, and every few seconds. Mostly it only reads then. It is a script, so that a dispatcher that starts on a full Redis
-- can drain it.
-- KEYS: lanes. ARGV: base, all (write every row) or missing (only rows that are not there), run id of this Redis ('': it does not say), then (destination, "<concurrency> <lease ms> <send window ms> <attempts> <line> <shared>", lane,
-- order)..., as limits_of (claim.lua) reads it.
-- Replies {rows that it wrote, 1 if more is to be brought back or counted: call it again at once,
-- how long this run is known (us; -1: no other run had this queue), note, ...}. A note says what was mended: "<word> <what>".
--
-- A queue that another run of Redis had (before a restart, or on a master that is gone) may lack the last claims and sends:
-- they had not reached the replica, or the disk. The field `run` of `present` has the run that had the queue last, and since when.
-- A dispatcher that finds another run there writes its own. So each dispatcher learns when the change was (take/take_limits.c).
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_ended.lua
--@include lib_delivery.lua
--@include lib_origin.lua
--@include lib_circuit.lua
local LATE_MS = 2000 -- a lane is mended if it is looked at later than this after the moment that its clock names
local INFLIGHT_MAX = 2000
local COUNTED_MAX = 100 -- deliveries in flight whose origins this call reads
local MENDED_MAX, mended = 24, 0 -- lanes that this call mends
local ROWS_MANY = 16
local is_all = ARGV[2] == 'all'
local run = ARGV[3]
local written, more = 0, 0
local FENCES_LOST = 10000000 -- well over what is given out while a replica lags

-- Returns how long RUN is known here (us), or -1. Fences that a lost master gave out must never be given out again: their
-- holders still report results.
local function note_run()
  if run == '' then return -1 end
  local key = base .. 'present'
  local known, since = string.match(call('HGET', key, 'run') or '', '^(%S+) (%d+)$')
  if known == run then return since == '0' and -1 or math.max(0, now_ms - since) * 1000 end
  call('HSET', key, 'run', run .. ' ' .. (known and now_text or '0'))
  if not known then return -1 end
  if call('EXISTS', base .. 'fences') == 1 then call('INCRBY', base .. 'fences', text(FENCES_LOST)) end
  return 0
end

local function write_rows()
  local names, change = {}, {}
  for i = 4, #ARGV, 4 do names[#names + 1] = ARGV[i] end
  if #names == 0 then return names end
  local rows = call('HMGET', base .. 'limits', unpack(names))
  for i, name in ipairs(names) do
    local row = ARGV[4 * i + 1]
    if not rows[i] or is_all and rows[i] ~= row then
      change[#change + 1] = name
      change[#change + 1] = row
    end
  end
  written = #change / 2
  local key = base .. 'limits'
  if written > 0 then call('HSET', key, unpack(change)) end
  if is_all and call('HLEN', key) >= ROWS_MANY then -- claim finds a row in it at once (see write_busy there)
    call('HSET', key, LONG, '')
    call('HDEL', key, LONG)
  end
  return names
end

-- Deliveries that waited until somebody knows DESTINATION come back. True if some still wait.
local function bring_back(destination, lanes)
  local is_left = false
  for name in string.gmatch(lanes, '%S+') do
    local lane = lane_load(name)
    lane.parked = 0
    if lane.order ~= 'fifo' then
      local e = origin_load(lane, destination)
      origin_back(lane, e, BACK_MAX)
      origin_save(lane, e)
      is_left = is_left or call('EXISTS', waiting_key(lane, destination)) == 1
    end
    woken = name
  end
  return is_left
end

local function end_unknown(names)
  local key = base .. 'unknown'
  if #names == 0 or call('EXISTS', key) == 0 then return end
  for i, found in ipairs(call('HMGET', key, unpack(names))) do
    local lanes = found and string.match(found, '^%d+ (.*)$')
    if found and lanes and bring_back(names[i], lanes) then
      more = 1
      call('HSET', key, names[i], now_text .. ' ' .. lanes)
    elseif found then
      call('HDEL', key, names[i])
    end
    if back >= BACK_MAX then break end
  end
end

-- A fifo lane looks again when the delivery that nothing may pass is due, and not much later.
local function mend_hold(lane)
  local state = call('HGET', DELIVERY .. lane.hold, 'state')
  local till = (state == 'retry' or state == 'inflight') and call('ZSCORE', base .. state, lane.hold)
  local due = math.max(now, till and tonumber(till) * 1000 or now)
  if lane.hold_until <= due + LATE_MS * 1000 then return false end
  lane.hold_until = now -- claim looks at once
  note('hold', lane.name)
  return true
end

-- Deletes a clock that cannot be read.
local function mend_clock(name)
  local key = base .. 'lane:' .. name
  local clock = call('HGET', key, 'clock')
  local is_read, is_sane = pcall(unpack_clock, {}, clock or NEW_CLOCK)
  if is_read and is_sane then return end
  call('HDEL', key, 'clock')
  note('clock', name)
end

-- True if more deliveries are counted than the list has: somebody took some out of the list. Then what is left is counted anew.
local function mend_counts(name)
  local length, counted = call('LLEN', QUEUE .. name), 0
  for _, n in ipairs(call('HVALS', DELAYS .. name)) do counted = counted + (tonumber(n) or 0) end
  if counted <= length then return false end
  local lane = lane_load(name)
  call('DEL', lane.delays)
  lane.count, lane.known, lane.is_doubtful = {}, {}, true -- lane_schedule counts what is left
  mended = mended + 1
  if length == 0 then note('counts', name) end
  return true
end

-- Work waits on the lane. Is it in `lanes`, and no later than its clock says?
local function mend_lane(name, order)
  mend_clock(name)
  if mend_counts(name) or call('EXISTS', QUEUE .. name) == 0 then return end
  local key, score = base .. 'lane:' .. name, tonumber(call('ZSCORE', base .. 'lanes', name))
  if order == 'fifo' and call('EXISTS', key) == 0 then
    call('HSET', key, 'order', order)
    note('order', name)
  end
  if score and score <= now_ms + LATE_MS and order ~= 'fifo' then return end
  local lane = lane_load(name)
  if lane.hold ~= '' and mend_hold(lane) then score = nil end
  lane.is_doubtful = true
  local at = lane_look(lane)
  if not score or not at or score > at / 1000 + LATE_MS then
    note('lanes', name)
    woken = name
    mended = mended + 1
  else
    loaded[name] = nil -- nothing to write
  end
end

-- Writes how many deliveries of the destination NAME are in flight: IDS.
local function write_busy(name, ids)
  note('busy', name)
  call('DEL', base .. 'shares:' .. name)
  if #ids == 0 then call('HDEL', base .. 'busy', name) else call('HSET', base .. 'busy', name, text(#ids)) end
  local shares = {}
  for _, id in ipairs(ids) do
    local origin = call('HGET', DELIVERY .. id, 'origin')
    if not origin then break end -- it is no destination of an account: no delivery of it has one
    shares[origin] = (shares[origin] or 0) + 1
  end
  for origin, n in pairs(shares) do call('HSET', base .. 'shares:' .. name, origin, text(n)) end
end

-- `busy` says how many deliveries are in flight. The leases decide. Nothing is written while nothing was lost.
local function mend_busy(names)
  local key = base .. 'inflight'
  if #names == 0 then return end
  local busy = call('HMGET', base .. 'busy', unpack(names))
  local last = call('ZRANGE', key, -1, -1, 'WITHSCORES')
  if last[2] and tonumber(last[2]) > now_ms + LEASE_MAX / 1000 then
    note('lease', last[1])
    call('ZADD', key, text(now_ms), last[1])
  end
  if call('ZCARD', key) > INFLIGHT_MAX then return end
  local count = {}
  for _, id in ipairs(call('ZRANGE', key, 0, -1)) do
    local name = string.match(id, DESTINATION) or id
    local ids = count[name]
    if not ids then
      ids = {}
      count[name] = ids
    end
    ids[#ids + 1] = id
  end
  local counted = 0
  for i, name in ipairs(names) do
    local ids = count[name] or {}
    if (tonumber(busy[i] or 0) or -1) ~= #ids then
      if counted >= COUNTED_MAX then
        more = 1
        return
      end
      counted = counted + #ids
      write_busy(name, ids)
    end
  end
end

local known_us = note_run()
local names = write_rows()
end_unknown(names)
local seen = {}
for i = 4, #ARGV, 4 do
  local lane = ARGV[i + 2]
  if mended >= MENDED_MAX then
    more = 1
    break
  end
  if not seen[lane] then mend_lane(lane, ARGV[i + 3]) end
  seen[lane] = true
end
if mended < MENDED_MAX then mend_busy(names) end -- else the next call does
schedule_all()
return {written, more, known_us, unpack(notes)}
