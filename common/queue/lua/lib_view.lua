-- lib_view: a task as the API shows it. Needs lib_lane, lib_record, lib_tasks and lib_open.
-- A view replies as {state, fetched (1, 0; -1: this partition does not know), hooks (1 or 0), received_at, when it was complete
-- (0: it is not), the event's key, the head of its record}. State: unknown, expired; of a task that was set without its
-- result pending or processing; of an announced task whose result is not here queued (its fetch waits), handed (it is on its way), lost
-- (it is dead); else done, or failed where a webhook is dead.
local HEAD_MAX = 65535 + 1024

-- The work of a call so far, in commands to Redis (3 to 5 us each, with the work on their replies). A script that gets many ids
-- stops when it reaches WORK_MAX; the receiver then asks again for the other ids.
local WORK_MAX = 200
local work = 0

local function head_of(key)
  work = work + 1
  local head = call('GETRANGE', key, 0, 1023)
  local stop = string.find(head, '\n\n', 1, true)
  if not stop and #head == 1024 then
    head = call('GETRANGE', key, 0, HEAD_MAX)
    stop = string.find(head, '\n\n', 1, true)
    work = work + 10
  end
  return stop and string.sub(head, 1, stop + 1)
end

-- The events under which a task ID may be. OWN: '', or '@<account>/' of an admin, whose own tasks go by their ids too, where no
-- source has these.
local function keys_of(id, own) return {id, announced_key(id), own ~= '' and own .. id or nil} end

-- The task ID as ACCOUNT ('': everybody) may see it, or nil: its event's key id, kind, account, head, names of its destinations.
local function find_task(id, account, own)
  for _, event in ipairs(keys_of(id, own)) do
    local head = head_of(base .. 'event:' .. event)
    if head then
      local received, _, kind, owner = read_record(head)
      local of = kind == 'task' and owner or nil
      if account ~= '' and of ~= account then return nil end
      local names = string.match(head, '\no ([^\n]*)\n') or ''
      local to = {}
      for name in string.gmatch(names, '%S+') do to[#to + 1] = name end
      return {id = event, kind = kind, account = of, head = head, to = to, received = received, is_open = is_open(head)}
    end
  end
end

-- Reads the deliveries of T that are in this partition and judges by them. The result of all but an announced task is here.
local function judge_task(t)
  if t.is_open then -- deliveries that are here are of an earlier task with this id
    work = work + 1
    t.deliveries, t.state, t.done_at, t.home = {}, is_taken(t.account, t.id) and 'processing' or 'pending', 0, true
    return
  end
  local complete = t.kind ~= 'announcement'
  local done_at = string.match(t.head, '\nf (%d+)\n') or t.received
  t.deliveries, t.state, t.done_at, t.home = {}, complete and 'done' or 'queued', complete and tonumber(done_at) or 0, #t.to == 0
  work = work + #t.to
  for place, name in ipairs(t.to) do
    local key = base .. 'delivery:' .. t.id .. ':' .. name
    local v = call('HMGET', key, 'state', 'apart', 'lane', 'delay_ms', 'fan', 'kind')
    if v[1] then
      t.deliveries[#t.deliveries + 1] = {place = place, id = t.id .. ':' .. name, key = key, destination = name, state = v[1],
        apart = v[2], lane = v[3], delay_ms = tonumber(v[4]), fan = v[5], kind = v[6], account = t.account}
      if v[2] ~= 'guest' then t.home = true end
      if v[1] == 'dead' or v[1] == 'dropped' then
        t.state = complete and 'failed' or 'lost'
      elseif v[1] == 'inflight' and not complete then
        t.state = 'handed'
      end
    end
  end
end

local function is_complete(t) return t.kind ~= 'announcement' and not t.is_open end

local function is_over(d) return d.state == 'done' or d.state == 'dead' or d.state == 'dropped' end

-- Is the result, or all that there is, still to be brought by a webhook?
local function is_sending(t)
  local has_body = head_facts(t.head)
  for _, d in ipairs(t.deliveries) do
    if d.fan and d.fan ~= '1' and d.apart ~= 'guest' then
      work = work + 1
      return call('HGET', base .. 'pending:' .. t.id, 'is') == 'sending'
    end
    if not d.apart and not is_over(d) and (d.kind == 'postback' or not has_body) then return true end
  end
  return false
end

local function is_listed(t)
  local _, path = head_facts(t.head)
  local scope, member = t.account and '@' .. t.account or '', tag_of(path) .. t.id
  work = work + 2
  return call('ZSCORE', set_key('ready', scope), member) or call('ZSCORE', set_key('failed', scope), member)
end

local function fetched_of(t)
  if not t.home then return -1 end
  return is_complete(t) and not is_sending(t) and not is_listed(t) and 1 or 0
end

local function view_reply(t)
  return {t.state, fetched_of(t), #t.to > 0 and 1 or 0, t.received, text(t.done_at), t.id, t.head}
end

local NOBODY = {'unknown', -1, 0, '0', '0', '', ''}
