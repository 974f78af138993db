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
local RETURN_MAX, TRIM_MAX, BYTES_MAX = 100, 100, 1048576

local oldest = now - pending_ms * 1000
return_leases(scope, RETURN_MAX, pending_ms)
trim_members(open_key(scope), text(oldest), TRIM_MAX)

local till, left, leased = text(now_ms + lease_ms), {}, {} -- scope -> members; scope -> scores and members
-- A task's event and plan stay at least until the lease ends.
local function lease_task(event, owner)
  for _, of in ipairs(scopes_of(owner)) do
    add_to(left, of, event)
    add_to(leased, of, till, event)
  end
  if call('PTTL', EVENT .. event) < lease_ms then
    keep_event(event, owner)
    expire_event(event, owner, lease_ms)
    call('PEXPIRE', plan_key(event), text(lease_ms + afterglow(pending_ms)))
  end
end

local reply, bytes, taken = {}, 0, 0
local members = call('ZRANGEBYSCORE', open_key(scope), text(oldest), '+inf', 'LIMIT', 0, most, 'WITHSCORES')
for i = 1, #members, 2 do
  local event, at = members[i], text(tonumber(members[i + 1]))
  if lease_ms == 0 then
    reply[#reply + 1] = at
  else
    local t = find_task(event, account, '')
    if t and t.is_open then
      lease_task(event, t.account)
      t.state, t.home, t.done_at = 'processing', true, 0
      reply[#reply + 1] = at
      reply[#reply + 1] = view_reply(t)
      bytes = bytes + #t.head
    else -- its event is gone
      for _, of in ipairs(account ~= '' and scopes_of(account) or {''}) do call('ZREM', open_key(of), event) end
    end
    if bytes >= BYTES_MAX then break end
  end
end
for of, events in pairs(left) do call('ZREM', open_key(of), unpack(events)) end
for of, set in pairs(leased) do
  call('ZADD', taken_key(of), unpack(set))
  keep_key(taken_key(of), lease_ms + pending_ms)
end
write_tasks()
return reply
