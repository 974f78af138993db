-- lib_repeat: the sender repeats an event that is not wholly delivered, so its dead deliveries of this partition are queued again. Needs
-- lib_lane, lib_tasks and lib_resend. Shared by put and requeue, which goes on where a call of put has done enough.
local NAMES = 8191 -- the destinations are among the first lines of a record (record.c), and end before this byte
local requeues_left = 18 -- in this call: each is some 25 commands
local fences

-- Queues the dead deliveries of EVENT behind the first PASSED destinations. Their attempts go on counting. DONE_MS: how long what
-- has ended is kept. Returns how many they are; and how many destinations it has passed, if more are dead.
local function queue_dead(event, passed, done_ms)
  local n, place, some_dropped, reached = 0, 0, false, nil
  local head = call('GETRANGE', base .. 'event:' .. event, 0, NAMES)
  for name in string.gmatch(string.match(head, '\no ([^\n]*)\n') or '', '%S+') do
    place = place + 1
    local id = event .. ':' .. name
    local key = base .. 'delivery:' .. id
    local v = call('HMGET', key, 'state', 'apart', 'lane', 'delay_ms', 'fan', 'kind')
    some_dropped = some_dropped or v[1] == 'dropped'
    if v[1] == 'dead' and place > passed and not reached then
      if requeues_left <= 0 then
        reached = place - 1
      else
        requeues_left = requeues_left - 1
        fences = fences or call('GET', base .. 'fences') or '0'
        queue_again(event, {id = id, key = key, destination = name, state = v[1], apart = v[2], lane = v[3], delay_ms = tonumber(v[4]),
          fan = v[5], kind = v[6]}, fences, done_ms)
        lane_schedule(lane_load(v[3]))
        n = n + 1
      end
    end
  end
  -- A delivery that an operator has dropped stays dropped, and counts as dead.
  local pending = base .. 'pending:' .. event
  if n > 0 and some_dropped and call('EXISTS', pending) == 1 then call('HSET', pending, 'dead', '1') end
  return n, reached
end
