-- lib_record: what scripts read of an event's record (common/queue/record.h), and the keys that belong to an event.

-- Returns when the event was received (ms), the digest of its body, its kind, and its owner: the source, or the account of a
-- task. RECORD may be only the beginning. Returns nothing if it is no record.
local function read_record(record) return string.match(record, '^hp%d+ (%d+) (%x+) (%S+) (%S+)') end

-- An announcement is kept beside its task's result, under a key that no task can have: `~f` is no part of an id.
local function announced_key(task) return task .. '~f' end
local function announced_task(key) return string.match(key, '^(.*)~f$') end

-- This key is there if a fetch has brought the result of the announced task.
local function fetched_key(source, task) return base .. 'fetched:' .. source .. ':' .. task end

-- Is the result here of the task whose fetch is the delivery KEY?
local function has_result(key)
  local v = call('HMGET', key, 'source', 'task')
  return v[1] and call('EXISTS', fetched_key(v[1], v[2])) == 1
end

-- The name by which an event without a message id is known again, and when it came. ID is its task's id.
local function identity(id, record)
  local received, digest, kind, owner = read_record(record)
  if not received then return id end
  if kind == 'announcement' then id = announced_key(id) end
  return (kind == 'task' and '@' or '') .. owner .. ':' .. id .. ':' .. digest, received
end

local function dedup_key(name) return base .. 'dedup:' .. name end
