-- lib_record: what scripts read of an event's record (common/queue/record.h), and the keys that belong to an event.

-- The beginning of a record: when its event was received (ms), the digest of its body, its kind, and its owner: the source,
-- or of a task the account. Nothing if it is no record.
local function read_record(record) return string.match(record, '^hp%d+ (%d+) (%x+) (%S+) (%S+)') end

-- An announcement is kept beside its task's result, under a key that no task can have: `~f` is no part of an id.
local function announced_key(task) return task .. '~f' end

-- There if a fetch brought the result of this announced task.
local function fetched_key(source, task) return base .. 'fetched:' .. source .. ':' .. task end

-- The name by which an event without a message id is known again, and when it came. ID is its task's id.
local function identity(id, record)
  local received, digest, kind, owner = read_record(record)
  if not received then return id end
  if kind == 'announcement' then id = announced_key(id) end
  return (kind == 'task' and '@' or '') .. owner .. ':' .. id .. ':' .. digest, received
end

local function dedup_key(name) return base .. 'dedup:' .. name end
