-- lib_spans: what programs have counted in spans of time (tally.lua). Needs `call` and `base`.

-- Sends are counted by lane in spans of 10 s, so that the last minute moves in small steps.
local SEND_SPAN_MS, SEND_SPANS = 10000, 7
local function sends_key(span) return base .. 'sends:' .. string.format('%d', span) end

-- The sends of the last minute on each of the lanes NAMES. The oldest span counts for the part of it that is in the minute.
local function sent_last_minute(names, now_ms)
  local sums = {}
  if #names == 0 then return sums end
  local span, into = math.floor(now_ms / SEND_SPAN_MS), now_ms % SEND_SPAN_MS / SEND_SPAN_MS
  for ago = 0, SEND_SPANS - 1 do
    local sends = call('HMGET', sends_key(span - ago), unpack(names))
    for i = 1, #names do
      sums[i] = (sums[i] or 0) + (tonumber(sends[i] or 0) * (ago == SEND_SPANS - 1 and 1 - into or 1))
    end
  end
  for i = 1, #names do sums[i] = math.floor(sums[i] + 0.5) end
  return sums
end
