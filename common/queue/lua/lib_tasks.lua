-- lib_tasks: what the API lists and counts: which tasks there are, are done, were fetched, failed (docs/queue.md). Shared by
-- the scripts that accept and end deliveries. Everything is collected and written once a call, by write_tasks.
-- A scope is '' (everybody) or '@<account>'; tasks of an account stand in both.
local HOUR_MS, TRIM = 3600000, 8
local opened, hours, sets, kept = {}, {}, {}, {}

-- How much longer than its event a delivery is kept, so that what has expired can be told from what never was (task.lua).
local function afterglow(keep_ms) return math.max(60000, math.min(math.floor(keep_ms / 10), HOUR_MS)) end

local EVERYBODY = {''}
local function scopes_of(account)
  if account then return {'', '@' .. account} end
  return EVERYBODY
end

-- The account whose task a destination serves, or nil: "postback@acme".
local function account_of(destination)
  if string.byte(destination, 9) == 64 then return string.sub(destination, 10) end -- @
end

local function count_open(account, n)
  opened[''] = (opened[''] or 0) + n
  if account then opened['@' .. account] = (opened['@' .. account] or 0) + n end
end

local function count_in(scope, what, n, keep_ms)
  local hour = hours[scope] or {}
  hour[what] = (hour[what] or 0) + n
  hours[scope] = hour
  kept[scope] = math.max(kept[scope] or 0, keep_ms)
end

-- WHAT: 'fetched', or 'failed' for what ended without a result.
local function count_hour(account, what, keep_ms)
  count_in('', what, 1, keep_ms)
  if account then count_in('@' .. account, what, 1, keep_ms) end
end

-- The result of an announced task is tried for again.
local function uncount_failed(keep_ms) count_in('', 'failed', -1, keep_ms) end

-- KIND: 'ready', or 'failed' where a webhook is dead (there even what has no body: ready.lua passes over it).
local function set_key(kind, scope, path) return base .. kind .. scope .. ':' .. path end

-- KEY stays at least that long; a little longer, so that this need not be written every time.
local function keep_key(key, keep_ms)
  if call('PTTL', key) < keep_ms then call('PEXPIRE', key, text(keep_ms + math.floor(keep_ms / 64))) end
end

local PATHS_MAX = 200
-- The path under which a scope's tasks are listed; past PATHS_MAX different ones, their first segment; past as many of
-- these, none.
local function listed_path(scope, path, keep_ms)
  if path == '' then return path end
  local key = base .. 'paths' .. scope
  if call('SISMEMBER', key, path) == 0 then
    local n = call('SCARD', key)
    if n >= PATHS_MAX then path = string.match(path, '^[^/]*') end
    if n >= 2 * PATHS_MAX and call('SISMEMBER', key, path) == 0 then return '' end
    call('SADD', key, path)
  end
  keep_key(key, keep_ms)
  return path
end

-- Where a task of PATH may be listed.
local function paths_of(path)
  local first = string.match(path, '^[^/]*')
  if first == '' then return {''} end
  if first == path then return {path, ''} end
  return {path, first, ''}
end

local function list_task(kind, account, path, event, keep_ms)
  for _, scope in ipairs(scopes_of(account)) do
    local key = set_key(kind, scope, listed_path(scope, path, keep_ms))
    local set = sets[key] or {key = key, keep = 0}
    set[#set + 1] = now_ms
    set[#set + 1] = event
    set.keep = math.max(set.keep, keep_ms)
    sets[key] = set
  end
end

local function write_sets()
  for _, set in pairs(sets) do
    call('ZADD', set.key, unpack(set))
    keep_key(set.key, set.keep)
    local old = call('ZRANGEBYSCORE', set.key, '-inf', text(now_ms - set.keep), 'LIMIT', 0, TRIM)
    if #old > 0 then call('ZREM', set.key, unpack(old)) end
  end
  sets = {}
end

-- Has the event of this head a body, and under which path was it set?
local function head_facts(head)
  local flag = string.match(head, '^hp%d+ [^\n]* (%S)\n')
  return flag ~= 'n', string.match(head, '^[^\n]*\np ([^\n]*)\n') or string.match(head, '^[^\n]*\ni [^\n]*\np ([^\n]*)\n') or ''
end

local FACTS = 1535 -- by then the path has been told: it comes first and has at most 1,024 bytes
local function event_facts(event) return head_facts(call('GETRANGE', base .. 'event:' .. event, 0, FACTS)) end

-- The task is done: the last of its first deliveries is over. GOT: a postback of it was delivered; DEAD: a delivery
-- of it is dead.
local function end_task(event, account, got, dead, keep_ms)
  count_open(account, -1)
  if got then
    count_hour(account, 'fetched', keep_ms)
    return
  end
  local has_body, path = event_facts(event)
  if dead or has_body then
    list_task(dead and 'failed' or 'ready', account, path, event, keep_ms)
  else -- there is nothing to fetch
    count_hour(account, 'fetched', keep_ms)
  end
end

-- The task's result was got: true if it was listed until now.
local function fetch_task(event, account, path, keep_ms)
  local listed = 0
  write_sets() -- it may have been listed by this very call
  for _, scope in ipairs(scopes_of(account)) do
    for _, kind in ipairs({'ready', 'failed'}) do
      for _, at in ipairs(paths_of(path)) do
        listed = listed + call('ZREM', set_key(kind, scope, at), event)
      end
    end
  end
  if listed > 0 then count_hour(account, 'fetched', keep_ms) end
  return listed > 0
end

-- A task that is listed changes its KIND, because a resent webhook is now dead or none is any more.
local function relist_task(kind, account, path, event, keep_ms)
  local other = kind == 'failed' and 'ready' or 'failed'
  write_sets()
  for _, scope in ipairs(scopes_of(account)) do
    for _, at in ipairs(paths_of(path)) do
      local from, to = set_key(other, scope, at), set_key(kind, scope, at)
      local done_at = call('ZSCORE', from, event)
      if done_at then
        call('ZREM', from, event)
        call('ZADD', to, done_at, event)
        keep_key(to, keep_ms)
      end
    end
  end
end

local function write_tasks()
  for scope, n in pairs(opened) do
    if n ~= 0 and call('HINCRBY', base .. 'counts' .. scope, 'open', text(n)) == 0 then
      call('DEL', base .. 'counts' .. scope)
    end
  end
  for scope, hour in pairs(hours) do
    local key = base .. 'hours' .. scope .. ':' .. text(math.floor(now_ms / HOUR_MS))
    for what, n in pairs(hour) do call('HINCRBY', key, what, text(n)) end
    keep_key(key, kept[scope])
  end
  write_sets()
end
