#!lua flags=allow-oom
-- setting: sets values that win over the configuration ('' takes one away).
-- KEYS: lanes. ARGV: base, then hash, field and value of each.
for at = 2, #ARGV, 3 do
  if ARGV[at + 2] == '' then
    redis.call('HDEL', ARGV[1] .. ARGV[at], ARGV[at + 1])
  else
    redis.call('HSET', ARGV[1] .. ARGV[at], ARGV[at + 1], ARGV[at + 2])
  end
end
return 1
