#!lua flags=allow-oom
-- presence: which dispatchers are gone? Their claims are taken back without waiting for the leases.
-- KEYS: lanes. ARGV: base, dead retention ms, dedup ms, run id of this Redis, instance of the dispatcher that asks, then instances
-- that it found alive although they were absent.
-- Replies {slot of the dispatcher (0: none), us until the next look (-1: as usual), instances that are absent...}.
--
--
-- A request that left may be answered at any moment until its lease ends, so a claim may be taken back earlier only if nobody is left
-- to hear the answer. A heartbeat cannot say that: a dispatcher that is stopped, slow, or cut off sends none and still hears. The
-- end of a connection can. Each dispatcher keeps one connection only to be seen (its lifeline): it subscribes there to
-- `present:<instance>`, sends nothing, and never closes it while it lives. Redis knows at once when the process dies, because the
-- kernel closes the connection, and scripts see it by PUBSUB NUMSUB.
--
--   what happened                        the lifeline             what follows
--   killed, crashed, out of memory       the kernel closes it     gone after GONE_MS
--   stopped, slow, a busy loop           stays open               leases
--   cut off, no packet passes            stays open               leases
--   power off, a machine lost            stays open               leases
--   Redis stopped for a while            stays open               leases; time without looks does not count (GAP_MS)
--   Redis restarted, or another one      closed by Redis          leases, until the dispatcher has registered with the new run
--   CLIENT KILL, a proxy restarted       closed by others         it subscribes again in some 50 ms, well within GONE_MS
--   a proxy closes it and refuses it     closed by others         a dispatcher on its machine finds it alive (ALIVE): leases
--
-- One case is left: a proxy that closes a living dispatcher's connections and refuses new ones for longer than GONE_MS, and no
-- dispatcher on the same machine. Its claims are sent again. It notices too, and sends nothing any more that has not left.
--
-- `present` has a row for each dispatcher, under a small number, its slot:
--   "<instance> <run> <absent since, ms> <last look, ms> <scan>"
-- `run` is the run id of the Redis that the dispatcher registered with. A row of another run says nothing. The slot is in the
-- score of each claim in `inflight`: the lease's end, whose last 7 bits are the slot (lease_end in claim.lua). So a claim costs nothing more,
-- and the claims of a slot are found by reading `inflight`. Slot 0 is nobody's: leases alone. Slots are given out in turn, so that
-- a number is not used again soon.
--
-- Each dispatcher has the rows looked at once a second, and five times a second while one is absent. The script writes
-- the row of an absent dispatcher once and then with each look. It writes nothing while all are there.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_ended.lua
--@include lib_delivery.lua
--@include lib_origin.lua
--@include lib_circuit.lua
--@include lib_lapse.lua
local dead_ms, dedup_ms, run, instance = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local alive = {}
for i = 6, #ARGV do alive[ARGV[i]] = true end
local function slot_of(score) return score % 128 end
local GONE_MS, GAP_MS, SLOTS, TAKE_MAX, SCAN_MAX, SCAN = 1400, 1000, 127, 16, 3000, 100
local ID_BYTES = 200 -- of an id that cost as much as one more lease
local PRESENT = base .. 'present'
local scan_left, take_left = SCAN_MAX, TAKE_MAX -- of all rows in this call

local function write_row(row)
  call('HSET', PRESENT, text(row.slot), string.format('%s %s %d %d %d', row.instance, row.run, row.absent, row.looked, row.scan))
end

-- Rows by slot, and the slot that was given out last.
local function read_rows()
  local all, rows, last = call('HGETALL', PRESENT), {}, 0
  for i = 1, #all, 2 do
    local slot = tonumber(all[i])
    local instance, run, absent, looked, scan = string.match(all[i + 1], '^(%S+) (%S+) (%d+) (%d+) (%d+)$')
    if slot and instance then
      rows[slot] = {slot = slot, instance = instance, run = run, absent = tonumber(absent), looked = tonumber(looked), scan = tonumber(scan)}
    elseif all[i] == 'last' then
      last = tonumber(all[i + 1])
    end
  end
  return rows, last
end

-- Is the dispatcher's lifeline connected?
local function is_there(instance)
  return call('PUBSUB', KEYS[2] and 'SHARDNUMSUB' or 'NUMSUB', base .. 'present:' .. instance)[2] > 0
end

-- A slot for the dispatcher INSTANCE, which has none; nil if all are taken.
local function new_row(rows, last, instance)
  for n = 1, SLOTS do
    local slot = (last + n - 1) % SLOTS + 1
    if not rows[slot] then
      call('HSET', PRESENT, 'last', text(slot))
      rows[slot] = {slot = slot, instance = instance, run = '', absent = 0, looked = 0, scan = 0}
      return rows[slot]
    end
  end
end

-- The caller itself: alive, whatever others think. Returns its slot, 0 while its lifeline is not there.
local function register(rows, last)
  local mine
  for _, row in pairs(rows) do
    if row.instance == instance then mine = row end
  end
  local there = is_there(instance)
  if not mine and there then mine = new_row(rows, last, instance) end
  if mine and (mine.run ~= run or mine.absent ~= 0) then
    mine.run, mine.absent, mine.looked, mine.scan = run, 0, now_ms, 0
    write_row(mine)
  end
  return there and mine and mine.slot or 0
end

-- Claims of the row's slot, as many as this call may still take. Sets row.scan to the rank from which to go on; true if none is left.
local function claims_of(row, found)
  local rank, began = row.scan, row.scan
  while scan_left > 0 do
    local members = call('ZRANGE', base .. 'inflight', rank, rank + SCAN - 1, 'WITHSCORES')
    for i = 1, #members, 2 do
      scan_left = scan_left - 1 - #members[i] / ID_BYTES
      if slot_of(tonumber(members[i + 1])) == row.slot then found[#found + 1] = members[i] end
      if #found == take_left then -- all before are taken out of the set
        row.scan = math.max(0, rank + (i + 1) / 2 - #found)
        return false
      end
    end
    if #members < 2 * SCAN then
      row.scan = 0
      return began == 0 and #found == 0
    end
    rank = rank + SCAN
  end
  row.scan = rank - #found
  return false
end

-- The attempts that a destination has.
local function attempts_of(destination)
  return tonumber(string.match(call('HGET', base .. 'limits', destination) or '', '^%d+ %d+ %d+ (%d+)'))
end

local function take_back(ids) lapse(ids, attempts_of, dead_ms, dedup_ms) end

-- The row's lifeline is not connected. Returns when to look again (ms), nil if the row is gone.
local function judge_absent(row)
  if row.absent == 0 or alive[row.instance] or now_ms - row.looked > GAP_MS or row.looked > now_ms then row.absent, row.scan = now_ms, 0 end
  row.looked = now_ms
  if now_ms < row.absent + GONE_MS then
    write_row(row)
    return row.absent + GONE_MS
  end
  if scan_left <= 0 or take_left <= 0 then -- others have had this call
    write_row(row)
    return now_ms
  end
  local found = {}
  local is_done = claims_of(row, found)
  take_left = take_left - #found
  take_back(found)
  if is_done then
    call('HDEL', PRESENT, text(row.slot))
    return nil
  end
  write_row(row)
  return now_ms
end

-- A row of another run of Redis, whose claims have only their leases. It leaves when these are over.
local function judge_stale(row)
  if now_ms > row.looked + LEASE_MAX / 1000 + GAP_MS then call('HDEL', PRESENT, text(row.slot)) end
end

local rows, last = read_rows()
local slot = register(rows, last)
local look_at, absent = nil, {}
for _, row in pairs(rows) do
  if row.instance ~= instance and row.run ~= run then
    judge_stale(row)
  elseif row.instance ~= instance and not is_there(row.instance) then
    local at = judge_absent(row)
    look_at = at and math.min(look_at or at, at) or look_at
    absent[#absent + 1] = row.instance
  elseif row.instance ~= instance and row.absent ~= 0 then
    row.absent, row.scan = 0, 0
    write_row(row)
  end
end
schedule_all()
return {slot, look_at and math.max(0, look_at - now_ms) * 1000 or -1, unpack(absent)}
