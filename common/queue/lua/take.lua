#!lua flags=allow-oom
-- take: hands out the oldest pending tasks. Each is processing until its lease ends, and no other call gets it meanwhile.
-- KEYS: lanes. ARGV: base, account ('': everybody's), most, lease ms (0: only look), how long pending tasks are kept (ms).
-- Replies {when it was set (µs), view (lib_view), ...}, oldest first. If it only looks: {when it was set, ...}.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_open.lua
--@include lib_view.lua
local account, most, lease_ms, pending_ms = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local scope = account ~= '' and '@' .. account or ''
local ENDED_MAX, RETURN_MAX, TRIM_MAX, BYTES_MAX = 100, 25, 50, 1048576

local oldest = now - pending_ms * 1000
trim_members(open_key(scope), text(oldest), TRIM_MAX)

local till, left, leased = text(now_ms + lease_ms), {}, {} -- scope -> members; scope -> scores and members
-- A task's event and plan stay at least until the lease ends.
local function lease_task(c, owner)
  local event = c.event
  for _, of in ipairs(scopes_of(owner)) do
    if c.is_in_open then add_to(left, of, event) end
    add_to(leased, of, till, event)
  end
  if call('PTTL', EVENT .. event) < lease_ms then
    keep_event(event, owner)
    expire_event(event, owner, lease_ms)
    call('PEXPIRE', plan_key(event), text(lease_ms + afterglow(pending_ms)))
  end
end

local candidates, gone = {}, {} -- gone: scope -> members of `taken` without an event

-- Tasks whose leases have ended are pending. They get their next lease where they are: to move them to `open` and back would be
-- half of the work.
local function add_ended()
  for _, event in ipairs(call('ZRANGEBYSCORE', taken_key(scope), '-inf', now_text, 'LIMIT', 0, math.min(most, ENDED_MAX))) do
    local at, owner = read_plan_head(event)
    if at and call('EXISTS', EVENT .. event) == 1 then
      candidates[#candidates + 1] = {event = event, at = at, owner = owner}
    else
      for _, of in ipairs(owner and scopes_of(owner) or {scope}) do add_to(gone, of, event) end
    end
  end
end

local function add_open()
  local members = call('ZRANGEBYSCORE', open_key(scope), text(oldest), '+inf', 'LIMIT', 0, most, 'WITHSCORES')
  for i = 1, #members, 2 do
    candidates[#candidates + 1] = {event = members[i], at = text(tonumber(members[i + 1])), is_in_open = true}
  end
end

local reply, bytes = {}, 0
local function hand_out(c)
  local t = find_task(c.event, account, '')
  if t and t.is_open then
    lease_task(c, t.account)
    t.state, t.home, t.done_at = 'processing', true, 0
    reply[#reply + 1] = c.at
    reply[#reply + 1] = view_reply(t)
    bytes = bytes + #t.head
  elseif c.is_in_open then -- its event is gone
    for _, of in ipairs(account ~= '' and scopes_of(account) or {''}) do add_to(left, of, c.event) end
  else
    for _, of in ipairs(scopes_of(c.owner)) do add_to(gone, of, c.event) end
  end
end

-- Those of the ended leases that are not among the oldest go back to `open`, so that others are looked at next time.
local function give_back(from)
  local returned, n = {}, 0
  for i = from, #candidates do
    local c = candidates[i]
    if not c.is_in_open and n < RETURN_MAX then
      n = n + 1
      for _, of in ipairs(scopes_of(c.owner)) do
        add_to(gone, of, c.event)
        add_to(returned, of, c.at, c.event)
      end
    end
  end
  for of, set in pairs(returned) do
    call('ZADD', open_key(of), unpack(set))
    keep_key(open_key(of), pending_ms)
  end
end

add_ended()
add_open()
table.sort(candidates, function(a, b)
  if a.at ~= b.at then return tonumber(a.at) < tonumber(b.at) end
  return a.event < b.event
end)
local seen = math.min(most, #candidates)
for i = 1, seen do
  if lease_ms == 0 then
    reply[i] = candidates[i].at
  elseif bytes < BYTES_MAX then
    hand_out(candidates[i])
  end
end
if lease_ms > 0 then
  give_back(seen + 1)
  for of, events in pairs(left) do call('ZREM', open_key(of), unpack(events)) end
  for of, set in pairs(leased) do
    call('ZADD', taken_key(of), unpack(set))
    keep_key(taken_key(of), lease_ms + pending_ms)
  end
end
for of, events in pairs(gone) do call('ZREM', taken_key(of), unpack(events)) end
write_tasks()
return reply
