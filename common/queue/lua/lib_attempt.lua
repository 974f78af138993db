-- lib_attempt: the record of a request that no list of attempts has. If a delivery arrives with its first request, its own fields have
-- all of it. A further request overwrites these fields, so the record must be in the list before.

-- The same form as attempt_json writes (common/queue/take/settle_args.c). The fields hold no control characters.
local function attempt_record(ended, duration, status, response)
  return string.format('{"attempt":1,"at":%s,"duration_ms":%s,"status":%s,"error":"","response":"%s"}',
    ended, duration, status, (string.gsub(response, '["\\]', '\\%0')))
end
