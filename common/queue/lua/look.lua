#!lua flags=no-writes,allow-oom
-- look: deliveries as operators see them. Looking changes nothing.
-- KEYS: lanes. ARGV: base, attempts wanted of each, delivery ids...
-- Replies for each id of as many as it reaches, at least one: {} if the delivery is not here, else {fields and values of its
-- hash as one list, head of its event's record ('' if that is gone), attempts, newest first}.
--@include lib_lane.lua
--@include lib_record.lua
--@include lib_tasks.lua
--@include lib_view.lua
local wanted = tonumber(ARGV[2])

local function look(id)
  local fields = call('HGETALL', DELIVERY .. id)
  work = work + 2
  if #fields == 0 then return {} end
  local event = string.match(id, '^(.*):')
  local head = event and head_of(EVENT .. event) or ''
  local attempts = {}
  if wanted > 0 then
    attempts = call('LRANGE', base .. 'attempts:' .. id, 0, wanted - 1)
    work = work + 1 + #attempts / 2
  end
  return {fields, head, attempts}
end

local replies = {}
for i = 3, #ARGV do
  replies[#replies + 1] = look(ARGV[i])
  if work >= WORK_MAX then break end
end
return replies
