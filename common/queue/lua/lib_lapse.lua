-- lib_lapse: ends claims that nobody will end any more: their lease is over, or their dispatcher is gone. Shared by claim and presence.

-- Ends the claims of these deliveries. ATTEMPTS_OF gives how many attempts a destination has, nil if it is not known.
local function lapse(ids, attempts_of, dead_ms, dedup_ms)
  for _, id in ipairs(ids) do
    local d = delivery_load(id)
    if not d or d.state ~= 'inflight' then
      call('ZREM', base .. 'inflight', id)
      if not d then -- deleted by somebody: the place that it took is free
        note('delivery_gone', id)
        local destination = string.match(id, DESTINATION) or id
        freed[destination] = (freed[destination] or 0) + 1
      end
    else
      local lane = unclaim(d, true)
      origin_judge(lane, origin_name(d.destination, d.origin), tonumber(d.fence), false, false)
      local attempts = attempts_of(d.destination)
      delivery_set(d, 'last_status', '0')
      delivery_set(d, 'last_error', 'lease_expired')
      if attempts and tonumber(d.attempts) % attempts == 0 then
        finish(d, 'dead', dead_ms, dedup_ms, 'dead')
      else
        requeue(d, lane)
      end
      delivery_save(d)
    end
  end
  write_ended()
  write_tasks()
end
