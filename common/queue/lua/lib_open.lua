-- lib_open: tasks that were set without their result. Needs lib_lane and lib_tasks. Shared by put, take, counts and the scripts that
-- show tasks (docs/internals/queue.md, "Pending tasks").
-- Such a task is pending (a member of `open`) or processing (a member of `taken`, until its lease ends). A lease that has ended counts
-- as pending at once; return_leases moves its task back to `open` later. `plan:<event id>` has when the task was set, its account, and
-- a line of put.lua's plan for each webhook, as captured then.
local OPEN_RANK = 0 -- tasks that this call has set: tasks of one call keep their order

local function open_key(scope) return base .. 'open' .. scope end
local function taken_key(scope) return base .. 'taken' .. scope end
local function plan_key(event) return base .. 'plan:' .. event end

-- HEAD is the beginning of a record. Does the task wait for its result?
local function is_open(head) return string.match(head, '^hp%d+ %d+ %x+ task %S+ %d+ w\n') ~= nil end

-- Members of KEY up to score MAX leave, at most MOST of them.
local function trim_members(key, max, most)
  local old = call('ZRANGEBYSCORE', key, '-inf', max, 'LIMIT', 0, most)
  if #old > 0 then call('ZREM', key, unpack(old)) end
end

-- LINES: its webhooks. The score in `open` is the moment in µs, so that the tasks of one call differ.
local function open_task(account, event, lines, pending_ms)
  local at = text(now + OPEN_RANK)
  OPEN_RANK = OPEN_RANK + 1
  call('SET', plan_key(event), at .. ' ' .. account .. '\n' .. lines, 'PX', text(pending_ms + afterglow(pending_ms)))
  for _, scope in ipairs(scopes_of(account)) do
    local key = open_key(scope)
    call('ZADD', key, at, event)
    keep_key(key, pending_ms)
    trim_members(key, text(now - pending_ms * 1000), 2)
    call('ZREM', taken_key(scope), event) -- of an earlier task with this id, which has expired
  end
end

-- The task is open no more. Returns its webhooks as open_task got them, or nil if nobody knows them.
local function close_task(account, event)
  local plan = call('GET', plan_key(event))
  call('DEL', plan_key(event))
  for _, scope in ipairs(scopes_of(account)) do
    call('ZREM', open_key(scope), event)
    call('ZREM', taken_key(scope), event)
  end
  return plan and string.match(plan, '^[^\n]*\n(.*)$')
end

-- Returns when the task was set (µs, a text) and its account, or nil.
local function read_plan_head(event) return string.match(call('GETRANGE', plan_key(event), 0, 127), '^(%d+) (%S+)\n') end

-- Appends to the list of that scope. One command for many members costs Redis a third of one for each.
local function add_to(lists, scope, ...)
  local list = lists[scope] or {}
  lists[scope] = list
  for _, value in ipairs({...}) do list[#list + 1] = value end
end

-- Makes up to MOST tasks of SCOPE pending again whose leases have ended. Expired tasks leave.
local function return_leases(scope, most, pending_ms)
  local gone, returned = {}, {} -- scope -> members; scope -> scores and members
  for _, event in ipairs(call('ZRANGEBYSCORE', taken_key(scope), '-inf', now_text, 'LIMIT', 0, most)) do
    local at, account = read_plan_head(event)
    local is_there = at and call('EXISTS', EVENT .. event) == 1
    for _, of in ipairs(account and scopes_of(account) or {scope}) do
      add_to(gone, of, event)
      if is_there then add_to(returned, of, at, event) end
    end
  end
  for of, events in pairs(gone) do call('ZREM', taken_key(of), unpack(events)) end
  for of, set in pairs(returned) do
    call('ZADD', open_key(of), unpack(set))
    keep_key(open_key(of), pending_ms)
  end
end

-- Is this open task processing now?
local function is_taken(account, event)
  local till = call('ZSCORE', taken_key('@' .. account), event)
  return till and tonumber(till) > now_ms
end
