-- lib_circuit: what follows for an origin (lib_origin.lua) when a claim of it ends. Shared by claim (expired leases) and settle.
-- Up to N of those that wait for E come back. One call brings back little more than BACK_MAX.
local back = 0
local function origin_back(lane, e, n)
  local key = waiting_key(lane, e.name)
  n = math.max(1, math.min(n, BACK_MAX - back))
  for _ = 1, 10 do
    local waiting = call('ZPOPMIN', key, n)
    for i = 1, #waiting, 2 do
      local id = waiting[i]
      local d = call('ZSCORE', base .. 'retry', id) == waiting[i + 1] and delivery_load(id)
      if d and d.state == 'retry' then -- else it came back when it was due
        call('ZREM', base .. 'retry', id)
        requeue(d, lane)
        delivery_save(d)
        woken = lane.name
        back, n = back + 1, n - 1
      end
    end
    if n == 0 or #waiting == 0 then return end
  end
end

-- The circuit is open for longer: one of those that wait comes back at its end, to probe.
local function origin_bring_forward(lane, e)
  local key = waiting_key(lane, e.name)
  local id, due = first_waiting(key)
  if not id or due <= e.till then return end
  local written = text(e.till)
  call('ZADD', base .. 'retry', written, id)
  call('ZADD', key, written, id)
  call('HSET', DELIVERY .. id, 'due_at', written)
end

local OPENED, CLOSED = 4, 8 -- added to settle's reply

-- One failure more. Returns OPENED if that opens the circuit.
local function origin_failed(lane, e, probed)
  e.fails = e.fails + 1
  local opened = e.fails == CIRCUIT_FAILS
  if opened or probed then
    e.till = now_ms + math.min(1000 * 2 ^ e.pauses, PAUSE_MAX_MS)
    e.pauses = math.min(e.pauses + 1, 6)
    e.probe = 0
    origin_bring_forward(lane, e)
  end
  origin_save(lane, e)
  return opened and OPENED or 0
end

-- A claim of the origin ended: what follows for its circuit, and for those that wait for a place. FENCE: the claim's.
local function origin_judge(lane, name, fence, unreachable, reached)
  if lane.trouble == 0 and not unreachable then return 0 end
  local e = origin_load(lane, name)
  local probed = e.probe ~= 0 and e.probe == fence
  if unreachable then return origin_failed(lane, e, probed) end
  if not e.is_stored then return 0 end
  local was_open = e.fails >= CIRCUIT_FAILS
  if reached then
    e.fails, e.till, e.pauses, e.probe = 0, 0, 0, 0
    lane.pause = lane.order == 'fifo' and was_open and 0 or lane.pause
  elseif probed then -- it never left
    e.till, e.probe = now_ms, 0
    origin_bring_forward(lane, e)
  end
  if e.fails < CIRCUIT_FAILS then origin_back(lane, e, was_open and BACK_MAX or 1) end
  origin_save(lane, e)
  return was_open and reached and CLOSED or 0
end
