#!lua flags=allow-oom
-- task: tasks as the API shows them; got ones count as fetched from then on.
-- KEYS: lanes. ARGV: base, account ('': everybody's), own (lib_view), 1 to get them (they count as fetched from then on) or 0 to look, done
-- retention ms, number of names, names of destinations (they tell an expired task from one that never existed), ids...
-- Replies a view (lib_view) per id, of as many as it reaches: at least one (WORK_MAX in lib_view).
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_open.lua
--@include lib_view.lua
local account, own, get, done_ms, names = ARGV[2], ARGV[3], ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])

local function has_expired(id)
  local owner = call('GET', base .. 'gone:' .. id)
  if owner and (account == '' or owner == account) then return true end
  work = work + 2
  local _, of = read_plan_head(id)
  if of and (account == '' or of == account) then return true end
  local keys = {}
  for i = 7, 6 + names do keys[#keys + 1] = base .. 'delivery:' .. id .. ':' .. ARGV[i] end
  work = work + names / 4
  return names > 0 and call('EXISTS', unpack(keys)) > 0
end

-- From here on the task is fetched, however its webhooks end.
local function get_task(t, path)
  if is_sending(t) then
    count_now(t.account, 'sending', -1)
    count_hour(t.account, 'fetched', done_ms)
  else
    fetch_task(t.id, t.account, path, done_ms)
    work = work + 4
  end
  for _, d in ipairs(t.deliveries) do
    if not is_over(d) and d.apart ~= 'guest' then
      if d.fan and d.fan ~= '1' then
        call('HSET', base .. 'pending:' .. t.id, 'is', 'got')
      elseif not d.apart then
        call('HSET', d.key, 'apart', 'got', 'fan', '1')
        d.apart = 'got'
      end
    end
  end
end

local function view(id)
  local t = find_task(id, account, own)
  if not t then
    local expired = has_expired(id) or own ~= '' and has_expired(own .. id)
    return expired and {'expired', -1, 0, '0', '0', '', ''} or NOBODY
  end
  judge_task(t)
  if not get then return view_reply(t) end
  local has_body, path = head_facts(t.head)
  if t.home and is_complete(t) and has_body then get_task(t, path) end
  return view_reply(t)
end

local replies = {}
for i = 7 + names, #ARGV do
  replies[#replies + 1] = view(ARGV[i])
  if work >= WORK_MAX then break end
end
write_tasks()
return replies
