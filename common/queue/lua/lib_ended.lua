-- lib_ended: what the end of a claim changes beside its delivery: its lease, its place at the destination, its lane's clock. Needs lib_lane
-- and lib_record. lib_delivery.lua, which needs this one, has the rest.

-- Claims that ended in this call: ids, how many per destination, and how many per origin of a destination that has several.
local ended, freed, freed_shares = {}, {}, {}

local function free_share(destination, origin, n)
  local shares = freed_shares[destination] or {}
  freed_shares[destination] = shares
  shares[origin] = (shares[origin] or 0) + n
end

local function write_shares()
  for destination, shares in pairs(freed_shares) do
    local key = base .. 'shares:' .. destination
    for origin, n in pairs(shares) do
      if call('HINCRBY', key, origin, text(-n)) <= 0 then call('HDEL', key, origin) end
    end
  end
end

local function write_ended()
  write_shares()
  if #ended > 0 then call('ZREM', base .. 'inflight', unpack(ended)) end
  for destination, n in pairs(freed) do
    if call('HINCRBY', base .. 'busy', destination, text(-n)) <= 0 then
      if freed_shares[destination] then call('DEL', base .. 'shares:' .. destination) end
      call('HDEL', base .. 'busy', destination)
    end
  end
  ended, freed, freed_shares = {}, {}, {}
end

-- The part of an ended claim in its lane's clock. SENT: the fence whose send was reported, or false.
local function unclaim_from(lane, id, written_fence, sent, left)
  local fence = tonumber(written_fence)
  if sent ~= written_fence and fence > lane.stale then
    if lane.open > 0 then lane.open = lane.open - 1 end
    if left then lane.sent = now end
  end
  if lane.holder == fence then lane.holder = 0 end
  if lane.hold == id then lane.hold, lane.hold_until = '', 0 end
  lane.parked = 0
end

-- Repeats of an event are known for DEDUP_MS, even if the event is kept for less (KEEP_MS from now).
local function keep_known(event, keep_ms, dedup_ms)
  if keep_ms >= dedup_ms then return end
  local head = call('GETRANGE', base .. 'event:' .. event, '0', '511')
  local name, received = identity(string.match(event, '^[^~]*'), head)
  local left = received and tonumber(received) + dedup_ms - now_ms or 0
  if left > 0 then call('SET', dedup_key(name), received .. ' ' .. event, 'PX', text(left)) end
end
