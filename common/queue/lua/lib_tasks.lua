-- lib_tasks: what the API lists and counts: which tasks are announced, sending, ready, fetched, failed (docs/internals/queue.md). Shared by
-- the scripts that accept and end deliveries. Everything is collected and written once a call, by write_tasks.
-- A scope is '' (everybody) or '@<account>'; tasks of an account are in both.
local HOUR_MS, TRIM = 3600000, 8
local SPAN = 24 -- hours whose sums share a key: few fields, so that Redis finds one quickly
local counted, hours, sets, kept = {}, {}, {}, {}

-- How much longer than its event a delivery is kept, so that what has expired can be told from what never was (task.lua).
local function afterglow(keep_ms) return math.max(60000, math.min(math.floor(keep_ms / 10), HOUR_MS)) end

local EVERYBODY = {''}
local function scopes_of(account)
  if account then return {'', '@' .. account} end
  return EVERYBODY
end

local function count_now_in(scope, what, n)
  local counts = counted[scope] or {}
  counts[what] = (counts[what] or 0) + n
  counted[scope] = counts
end

-- WHAT: 'announced', the result is still to be fetched; 'sending', it is here and on its way in a postback.
local function count_now(account, what, n)
  count_now_in('', what, n)
  if account then count_now_in('@' .. account, what, n) end
end

local function count_in(scope, what, n, keep_ms)
  local hour = hours[scope] or {}
  hour[what] = (hour[what] or 0) + n
  hours[scope] = hour
  kept[scope] = math.max(kept[scope] or 0, keep_ms)
end

-- WHAT: 'fetched', or 'failed' for what ended without a result. N of them; nil is 1.
local function count_hour(account, what, keep_ms, n)
  count_in('', what, n or 1, keep_ms)
  if account then count_in('@' .. account, what, n or 1, keep_ms) end
end

-- The result of an announced task is tried for again.
local function uncount_failed(keep_ms) count_in('', 'failed', -1, keep_ms) end

-- KIND: 'ready', or 'failed' where a webhook is dead (there even what has no body: ready.lua passes over it).
local function set_key(kind, scope) return base .. kind .. scope end

-- A member of these sets is the path's tag and the event's id. The tag has two characters for each of the first three
-- segments of the path, '--' for a missing segment. ready.lua compares tags, so it reads only the events that are
-- likely to be under the path.
local TAG = 6
local tags = {}

-- The same tasks by path: a member has the path's tag, the moment in 11 hex digits and the event's id, all with one score. So the
-- tasks of a path are found in their order however many there are of other paths.
local MOMENT = 11
local function paths_key(kind, scope) return base .. kind .. ':paths' .. scope end
local function moment_of(ms) return string.format('%011x', ms) end

local function tag_of(path)
  local tag = tags[path]
  if not tag then
    tag = ''
    for segment in string.gmatch(path, '[^/]+') do
      tag = tag .. string.sub(redis.sha1hex(segment), 1, 2)
      if #tag == TAG then break end
    end
    tag = tag .. string.rep('-', TAG - #tag)
    tags[path] = tag
  end
  return tag
end

local function by_path(member, ms) return string.sub(member, 1, TAG) .. moment_of(ms) .. string.sub(member, TAG + 1) end

local function list_task(kind, account, path, event, keep_ms)
  local member = tag_of(path) .. event
  for _, scope in ipairs(scopes_of(account)) do
    local key = set_key(kind, scope)
    local set = sets[key] or {key = key, paths = paths_key(kind, scope), by_path = {}, keep = 0}
    set[#set + 1] = now_ms
    set[#set + 1] = member
    set.by_path[#set - 1] = 0
    set.by_path[#set] = by_path(member, now_ms)
    set.keep = math.max(set.keep, keep_ms)
    sets[key] = set
  end
end

-- As many expired members leave as are added, and a few more: the work is bounded and the set does not grow for ever.
local function write_sets()
  for _, set in pairs(sets) do
    call('ZADD', set.key, unpack(set))
    call('ZADD', set.paths, unpack(set.by_path))
    keep_key(set.key, set.keep)
    keep_key(set.paths, set.keep)
    local old = call('ZRANGEBYSCORE', set.key, '-inf', text(now_ms - set.keep), 'WITHSCORES', 'LIMIT', 0, TRIM + #set / 2)
    local gone, gone_paths = {}, {}
    for i = 1, #old, 2 do
      gone[#gone + 1] = old[i]
      gone_paths[#gone] = by_path(old[i], tonumber(old[i + 1]))
    end
    if #gone > 0 then
      call('ZREM', set.key, unpack(gone))
      call('ZREM', set.paths, unpack(gone_paths))
    end
  end
  sets = {}
end

-- Has the event of this head a body, and under which path was it set?
local function head_facts(head)
  local flag = string.match(head, '^hp%d+ %d+ %x+ %S+ %S+ %d+ (%S+)')
  return flag ~= 'n', string.match(head, '^[^\n]*\np ([^\n]*)\n') or string.match(head, '^[^\n]*\ni [^\n]*\np ([^\n]*)\n') or ''
end

local FACTS = 1535 -- by then the path has been told: it comes first and has at most 1,024 bytes
local function event_facts(event) return head_facts(call('GETRANGE', base .. 'event:' .. event, 0, FACTS)) end

-- Takes MEMBER off a list. Returns since when it was there, as text, or nil.
local function unlist(kind, scope, member)
  local key = set_key(kind, scope)
  local at = call('ZSCORE', key, member)
  if not at then return nil end
  call('ZREM', key, member)
  call('ZREM', paths_key(kind, scope), by_path(member, tonumber(at)))
  return at
end

-- The task's result was got: it counts as fetched if it was listed until now.
local function fetch_task(event, account, path, keep_ms)
  local listed, member = false, tag_of(path) .. event
  write_sets() -- it may have been listed by this very call
  for _, scope in ipairs(scopes_of(account)) do
    if unlist('ready', scope, member) then listed = true end
    if unlist('failed', scope, member) then listed = true end
  end
  if listed then count_hour(account, 'fetched', keep_ms) end
end

-- A task that is listed changes its KIND, because a webhook of it is now dead or none is any more.
local function relist_task(kind, account, path, event, keep_ms)
  local other, member = kind == 'failed' and 'ready' or 'failed', tag_of(path) .. event
  write_sets()
  for _, scope in ipairs(scopes_of(account)) do
    local done_at = unlist(other, scope, member)
    if done_at then
      call('ZADD', set_key(kind, scope), done_at, member)
      call('ZADD', paths_key(kind, scope), 0, by_path(member, tonumber(done_at)))
      keep_key(set_key(kind, scope), keep_ms)
      keep_key(paths_key(kind, scope), keep_ms)
    end
  end
end

-- A webhook of a task is dead that nobody has fetched. It is listed, even if it left `ready` because it is older than that reaches.
local function fail_task(account, path, event, keep_ms)
  local member = tag_of(path) .. event
  relist_task('failed', account, path, event, keep_ms)
  if not call('ZSCORE', set_key('failed', ''), member) then list_task('failed', account, path, event, keep_ms) end
end

-- The use of an account, for its quotas. `usage` counts its tasks and the bytes of their records: in all (tasks,
-- bytes), those that do not expire now (held), and those that expire at a moment (t:<ms>, b:<ms>). `ends` has these
-- moments, so that the next put takes the expired tasks off the sums. Events of accounts expire at round moments, so
-- that there are few: some 130 of each retention.
local used = {} -- account -> changes of this call
local function use_of(account)
  local u = used[account]
  if not u then
    u = {tasks = 0, bytes = 0, held = 0, ends = {}}
    used[account] = u
  end
  return u
end

-- N tasks of BYTES expire at AT (or, below 0, do not any more).
local function use_ends(u, at, n, bytes)
  local e = u.ends[at] or {n = 0, bytes = 0}
  u.ends[at] = e
  e.n, e.bytes, u.held = e.n + n, e.bytes + bytes, u.held - n
end

-- EVENT is over and expires KEEP_MS from now, or a little later if it is a task of ACCOUNT.
local function expire_event(event, account, keep_ms)
  local key = EVENT .. event
  local size = account and call('STRLEN', key) or 0
  if size == 0 then return call('PEXPIRE', key, text(keep_ms)) end
  local step = 2 ^ math.max(0, math.floor(math.log(keep_ms / 64) / math.log(2)))
  local at = text(math.ceil((now_ms + keep_ms) / step) * step)
  call('PEXPIREAT', key, at)
  use_ends(use_of(account), at, 1, size)
end

-- EVENT does not expire until it is over again.
local function keep_event(event, account)
  local key = EVENT .. event
  local at = account and call('PEXPIRETIME', key) or 0
  if at > 0 then use_ends(use_of(account), text(at), -1, -call('STRLEN', key)) end
  call('PERSIST', key)
end

local function write_use(account, u)
  local usage, ends = base .. 'usage:' .. account, base .. 'ends:' .. account
  if u.tasks ~= 0 then call('HINCRBY', usage, 'tasks', u.tasks) end
  if u.bytes ~= 0 then call('HINCRBY', usage, 'bytes', u.bytes) end
  for at, e in pairs(u.ends) do
    call('HINCRBY', usage, 'b:' .. at, e.bytes)
    if e.n ~= 0 and call('HINCRBY', usage, 't:' .. at, e.n) <= 0 then
      call('HDEL', usage, 't:' .. at, 'b:' .. at)
      call('ZREM', ends, at)
    elseif e.n > 0 then
      call('ZADD', ends, at, at)
    end
  end
  if call('HINCRBY', usage, 'held', u.held) > 0 then
    call('PERSIST', usage)
    call('PERSIST', ends)
    return
  end
  -- All that the account has expires, and so does this.
  local last = call('ZRANGE', ends, -1, -1)[1] or now_text
  call('PEXPIREAT', usage, last)
  call('PEXPIREAT', ends, last)
end

local function write_tasks()
  for account, u in pairs(used) do write_use(account, u) end
  used = {}
  for scope, counts in pairs(counted) do
    local key = base .. 'counts' .. scope
    for what, n in pairs(counts) do
      if n ~= 0 and call('HINCRBY', key, what, text(n)) == 0 then call('HDEL', key, what) end
    end
  end
  for scope, hour in pairs(hours) do
    local now_hour = math.floor(now_ms / HOUR_MS)
    local key = base .. 'hours' .. scope .. ':' .. text(math.floor(now_hour / SPAN))
    for what, n in pairs(hour) do call('HINCRBY', key, what .. ':' .. text(now_hour % SPAN), text(n)) end
    keep_key(key, kept[scope])
  end
  write_sets()
end
