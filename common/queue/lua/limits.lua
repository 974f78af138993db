#!lua flags=allow-oom
-- limits: writes what claim must know of the destinations of this partition. It is a script, so that a dispatcher that starts
-- on a full Redis can drain it.
-- KEYS: lanes. ARGV: base, then (destination, "<concurrency> <lease ms> <send window ms> <attempts> <line> <shared>")...,
-- as limits_of (claim.lua) reads it.
for i = 2, #ARGV, 2 do
  redis.call('HSET', ARGV[1] .. 'limits', ARGV[i], ARGV[i + 1])
end
return 0
