#!lua flags=allow-oom
-- counts: how many tasks are in which state. One step: ended tasks are counted by spans of hours, newest first.
-- KEYS: lanes. ARGV: base, account ('': everybody's), done, dead and pending retention ms, cursor ('': the first step), names of
-- destinations that fetch what was announced.
-- Replies {cursor of the next step ('': there is none), announced (the result is not here), fetches in flight, fetched, sending,
-- ready, failed, open (their results come later), processing}: sums over all steps. Those of `fetched` and `failed` may be below 0 by what changed meanwhile.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_open.lua
local account, done_ms, dead_ms, pending_ms = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
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

local span = tonumber(ARGV[6]) or math.floor(this_hour / SPAN)
local last = math.floor(math.min(oldest.fetched, oldest.failed) / SPAN)
local stop = math.max(last, span - SPANS_MAX + 1)
for s = span, stop, -1 do add_span(s) end
local next_span = stop > last and text(stop - 1) or ''
if ARGV[6] ~= '' then return {next_span, 0, 0, sums.fetched, 0, 0, sums.failed, 0, 0} end

local function listed(kind, keep_ms) return call('ZCOUNT', set_key(kind, scope), text(now_ms - keep_ms), '+inf') end

local function fetches_in_flight()
  local n = 0
  if #ARGV > 6 then
    for _, busy in ipairs(call('HMGET', base .. 'busy', unpack(ARGV, 7))) do n = n + tonumber(busy or 0) end
  end
  return n
end

local RETURN_MAX = 50
return_leases(scope, RETURN_MAX, pending_ms)
local ended = call('ZCOUNT', taken_key(scope), '-inf', now_text)
local open = call('ZCOUNT', open_key(scope), text(now - pending_ms * 1000), '+inf') + ended
local now_in = call('HMGET', base .. 'counts' .. scope, 'announced', 'sending')
return {next_span, tonumber(now_in[1] or 0), fetches_in_flight(), sums.fetched, tonumber(now_in[2] or 0),
  listed('ready', done_ms), sums.failed + listed('failed', dead_ms), open, call('ZCARD', taken_key(scope)) - ended}
