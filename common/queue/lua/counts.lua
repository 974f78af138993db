#!lua flags=no-writes,allow-oom
-- counts: how many tasks are in which state. One step: what is over is counted by spans of hours, newest first.
-- KEYS: lanes. ARGV: base, account ('': everybody's), done and dead retention ms, cursor ('': the first step).
-- Replies {cursor of the next step ('': there is none), open (accepted and not done), in flight, fetched, ready, failed}:
-- sums over all steps. Those of `fetched` and `failed` may be below 0 by what changed meanwhile.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
local account, done_ms, dead_ms = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local scope = account ~= '' and '@' .. account or ''
local SPANS_MAX = 150 -- in a step, of up to 2 * SPAN fields each: about 1 ms
local this_hour = math.floor(now_ms / HOUR_MS)
local oldest = {fetched = this_hour - math.ceil(done_ms / HOUR_MS), failed = this_hour - math.ceil(dead_ms / HOUR_MS)}
local sums = {fetched = 0, failed = 0}

-- Adds the fields of a span, "fetched:<hour of the span>" and "failed:<hour of the span>".
local function add_span(span)
  local fields = call('HGETALL', base .. 'hours' .. scope .. ':' .. text(span))
  local first = span * SPAN
  local is_whole = first >= oldest.fetched and first >= oldest.failed
  for i = 1, #fields, 2 do
    local what = string.byte(fields[i], 2) == 101 and 'fetched' or 'failed' -- e
    if is_whole or first + tonumber(string.match(fields[i], '%d+$')) >= oldest[what] then
      sums[what] = sums[what] + tonumber(fields[i + 1])
    end
  end
end

local span = tonumber(ARGV[5]) or math.floor(this_hour / SPAN)
local last = math.floor(math.min(oldest.fetched, oldest.failed) / SPAN)
local stop = math.max(last, span - SPANS_MAX + 1)
for s = span, stop, -1 do add_span(s) end
local next_span = stop > last and text(stop - 1) or ''
if ARGV[5] ~= '' then return {next_span, 0, 0, sums.fetched, 0, sums.failed} end

local function listed(kind, keep_ms) return call('ZCOUNT', set_key(kind, scope), text(now_ms - keep_ms), '+inf') end

local function in_flight()
  if account == '' then return call('ZCARD', base .. 'inflight') end
  local busy = call('HMGET', base .. 'busy', 'postback@' .. account, 'pingback@' .. account)
  return tonumber(busy[1] or 0) + tonumber(busy[2] or 0)
end

return {next_span, tonumber(call('HGET', base .. 'counts' .. scope, 'open') or 0), in_flight(), sums.fetched,
  listed('ready', done_ms), sums.failed + listed('failed', dead_ms)}
