#!lua flags=allow-oom
-- setting: sets a value that wins over the configuration ('' takes it away).
-- KEYS: lanes. ARGV: base, field, value.
if ARGV[3] == '' then return redis.call('HDEL', ARGV[1] .. 'settings', ARGV[2]) end
return redis.call('HSET', ARGV[1] .. 'settings', ARGV[2], ARGV[3])
