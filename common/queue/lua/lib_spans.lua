-- lib_spans: what programs have counted in spans of time (tally.lua). Needs `call` and `base`.
--
--   key                span   spans that are read   fields
--   history:<span>     1 min  60                    accepted, duplicate, refused, sent, failed, dead; attempt:<n> and delivery:<n>:
--                                                   how many took as long as bucket n of a histogram says (common/base/metrics.h)
--   answers:<span>     5 min  12                    <source> <answer>
--   results:<span>     5 min  12                    <destination> <result>
--   sends:<span>       10 s   7                     <lane>
--   trends:<span>      2 min  30                    <lane> done, <lane> failed: attempts. At most TREND_FIELDS fields
-- A span's number is the time divided by its length. Each key expires soon after the last moment at which it is read.
local SPANS = {history = {60000, 60}, answers = {300000, 12}, results = {300000, 12}, sends = {10000, 7}, trends = {120000, 30}}
local TREND_FIELDS = 128 -- about 200 KB for all spans, however many lanes there are
local SEND_SPANS = SPANS.sends[2]

-- The key of the span that was AGO spans before now.
local function span_key(what, now_ms, ago) return base .. what .. ':' .. string.format('%d', math.floor(now_ms / SPANS[what][1]) - ago) end

-- The key of the span that runs now, and how long it is kept (ms).
local function span_now(what, now_ms)
  local s = SPANS[what]
  return span_key(what, now_ms, 0), string.format('%d', s[1] * (s[2] + 1))
end

-- The sends of the last minute on each of the lanes NAMES. The oldest span counts for the part of it that is in the minute.
local function sent_last_minute(names, now_ms)
  local sums = {}
  if #names == 0 then return sums end
  local length = SPANS.sends[1]
  local into = now_ms % length / length
  for ago = 0, SEND_SPANS - 1 do
    local sends = call('HMGET', span_key('sends', now_ms, ago), unpack(names))
    for i = 1, #names do
      sums[i] = (sums[i] or 0) + (tonumber(sends[i] or 0) * (ago == SEND_SPANS - 1 and 1 - into or 1))
    end
  end
  for i = 1, #names do sums[i] = math.floor(sums[i] + 0.5) end
  return sums
end
