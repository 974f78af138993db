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

local OPENED, CLOSED, PAUSE = 4, 8, 32 -- added to settle's reply

-- Until when (ms) the origin waits because it asked for that; 0 if it does not.
local function origin_waits_until(e) return e.told and e.probe == 0 and e.till or 0 end

-- The origin takes nothing until TILL (ms), and then a probe. A lane that waits itself may have waited for another moment.
local function origin_shut(lane, e, till)
  e.till, e.probe = till, 0
  lane.pause = 0
  origin_bring_forward(lane, e)
end

-- The next of the pauses that double.
local function next_pause(e)
  local pause = math.min(1000 * 2 ^ e.pauses, PAUSE_MAX_MS)
  e.pauses = math.min(e.pauses + 1, 6)
  return pause
end

-- One failure more. If that opens the circuit, returns OPENED and PAUSE times the milliseconds for which it is open.
local function origin_failed(lane, e, probed)
  e.fails = e.fails + 1
  local opened = e.fails == CIRCUIT_FAILS
  if opened or probed then origin_shut(lane, e, math.max(origin_waits_until(e), now_ms + next_pause(e))) end
  origin_save(lane, e)
  return opened and OPENED + PAUSE * math.ceil(e.till - now_ms) or 0
end

-- The origin asked to wait for TOLD_MS (0: it did not say how long). Several answers to requests that left together are one
-- request to wait. Returns CLOSED if its circuit was open: it can be reached.
local function origin_told(lane, e, told_ms)
  local was_open, waits_until = e.fails >= CIRCUIT_FAILS, origin_waits_until(e)
  local wait_ms = told_ms
  if told_ms == 0 and now_ms >= waits_until then wait_ms = next_pause(e) end
  e.fails, e.told, e.answers = 0, true, 0
  origin_shut(lane, e, math.max(waits_until, now_ms + wait_ms))
  origin_save(lane, e)
  return was_open and CLOSED or 0
end

-- The origin answered, and did not ask to wait.
local function origin_reached(lane, e)
  if origin_is_shut(e) then lane.pause = 0 end
  e.answers = (e.told or e.answers > 0) and e.answers + 1 or 0
  e.fails, e.till, e.pauses, e.probe, e.told = 0, 0, 0, 0, false
end

-- A claim of the origin ended: what follows for its circuit, and for those that wait for a place. FENCE: the claim's. TOLD_MS:
-- it asked to wait for so long (0: it did not say how long); else nil.
local function origin_judge(lane, name, fence, unreachable, reached, told_ms)
  if lane.trouble == 0 and not unreachable and not told_ms then return 0 end
  local e = origin_load(lane, name)
  local probed = e.probe ~= 0 and e.probe == fence
  if told_ms then return origin_told(lane, e, told_ms) end
  if unreachable then return origin_failed(lane, e, probed) end
  if not e.is_stored or e.told and not probed then return 0 end
  local was_open = e.fails >= CIRCUIT_FAILS
  if reached then
    origin_reached(lane, e)
  elseif probed then -- it never left
    origin_shut(lane, e, now_ms)
  end
  if not origin_is_shut(e) then origin_back(lane, e, was_open and BACK_MAX or e.answers > 0 and 2 or 1) end
  origin_save(lane, e)
  return was_open and reached and CLOSED or 0
end
