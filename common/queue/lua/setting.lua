#!lua flags=allow-oom
-- setting: sets values that win over the configuration ('' takes one away).
-- KEYS: lanes. ARGV: base, then hash, field and value of each.
-- Replies 1; 0 where a scheme would have no secret, and then sets nothing.
local scheme_of, has_secret
for at = 2, #ARGV, 3 do
  if ARGV[at + 1] == 'sign' and ARGV[at + 2] ~= '' then
    scheme_of = ARGV[1] .. ARGV[at]
  elseif ARGV[at + 1] == 'sealed' then
    has_secret = ARGV[at + 2] ~= ''
  end
end
if scheme_of and has_secret == nil then has_secret = redis.call('HEXISTS', scheme_of, 'sealed') == 1 end
if scheme_of and not has_secret then return 0 end
for at = 2, #ARGV, 3 do
  if ARGV[at + 2] == '' then
    redis.call('HDEL', ARGV[1] .. ARGV[at], ARGV[at + 1])
  else
    redis.call('HSET', ARGV[1] .. ARGV[at], ARGV[at + 1], ARGV[at + 2])
  end
end
return 1
