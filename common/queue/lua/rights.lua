#!lua flags=no-writes,allow-oom
-- rights: which rights that the programs need does this user of Redis lack? With ACL, Redis checks each command of a
-- script by itself, so a script that lacks a right would fail in its middle. Programs ask for this when they connect,
-- and every few seconds.
-- KEYS: lanes, in a cluster a second one. ARGV: base, prefix.
-- Replies the missing rights, as rules of ACL SETUSER: "+hset", "~hookpace:*", "&hookpace:*".
local base, prefix = ARGV[1], ARGV[2]
local may = redis.acl_check_cmd
local missing = {}
local lanes = base .. 'lanes' -- this key is allowed: Redis has checked it before it ran this script
local function ask(command, ...)
  if not may(command, ...) then missing[#missing + 1] = '+' .. string.lower(command) end
end

-- Each with the fewest arguments that it takes. XX is the key.
local COMMANDS = {'APPEND XX v', 'COPY XX XX', 'DEL XX', 'EXISTS XX', 'GET XX', 'GETRANGE XX 0 1', 'HDEL XX f', 'HEXISTS XX f', 'HGET XX f', 'HGETALL XX', 'HINCRBY XX f 1',
  'HLEN XX', 'HMGET XX f', 'HSCAN XX 0', 'HSET XX f v', 'HSETNX XX f v', 'HVALS XX', 'INCR XX', 'INCRBY XX 1', 'LINDEX XX 0', 'LLEN XX', 'LMOVE XX XX LEFT RIGHT', 'LPOP XX', 'LPOS XX v',
  'LPUSH XX v', 'LRANGE XX 0 1', 'LREM XX 1 v', 'LTRIM XX 0 1', 'MSETNX XX v', 'PERSIST XX', 'PEXPIRE XX 1', 'PEXPIREAT XX 1', 'PEXPIRETIME XX', 'PING', 'PTTL XX', 'RENAME XX XX', 'RENAMENX XX XX', KEYS[2] and 'PUBSUB SHARDNUMSUB x' or 'PUBSUB NUMSUB x', 'RPOP XX', 'RPUSH XX v', 'SCAN 0',
  'SET XX v', 'STRLEN XX', 'TIME', 'UNLINK XX', 'XADD XX * f v', 'XRANGE XX - +', 'XREVRANGE XX + -', 'ZADD XX 1 v', 'ZCARD XX', 'ZCOUNT XX 0 1', 'ZPOPMIN XX',
  'ZRANGE XX 0 1', 'ZRANGEBYLEX XX - +', 'ZRANGEBYSCORE XX 0 1', 'ZRANK XX v', 'ZREM XX v', 'ZREMRANGEBYSCORE XX 0 1', 'ZREVRANGE XX 0 1', 'ZREVRANGEBYSCORE XX 1 0', 'ZSCAN XX 0', 'ZSCORE XX v'}
for _, line in ipairs(COMMANDS) do
  local words = {}
  for word in string.gmatch(line, '%S+') do words[#words + 1] = word == 'XX' and lanes or word end
  ask(unpack(words))
end

-- In a cluster channels belong to slots. Redis does not say whether it is the command or the channel.
local PUBLISH, SUBSCRIBE = 'PUBLISH', 'SUBSCRIBE'
if KEYS[2] then PUBLISH, SUBSCRIBE = 'SPUBLISH', 'SSUBSCRIBE' end
if not may(PUBLISH, base .. 'wake', 'x') then
  missing[#missing + 1] = '+' .. string.lower(PUBLISH)
  missing[#missing + 1] = '&' .. prefix .. ':*'
end
if not may(SUBSCRIBE, base .. 'wake') then
  missing[#missing + 1] = '+' .. string.lower(SUBSCRIBE)
  if may(PUBLISH, base .. 'wake', 'x') then missing[#missing + 1] = '&' .. prefix .. ':*' end
end

local KEYS_NEEDED = {'queue:', 'delays:', 'lane:', 'lanes', 'inflight', 'retry', 'dead:', 'deads', 'delivery:', 'event:', 'attempts:', 'pending:',
  'dedup:', 'announced:', 'fetched:', 'revisions:', 'limits', 'unknown', 'busy', 'shares:', 'origins:', 'waiting:', 'fences', 'posted', 'ready',
  'failed', 'counts', 'hours', 'errors', 'settings', 'reconcile:', 'gone:', 'paused', 'programs', 'history:', 'answers:', 'results:', 'sends:', 'trends:', 'words:', 'tags:', 'staged:'}
if may('SET', lanes, 'v') and may('GET', lanes) then
  for _, name in ipairs(KEYS_NEEDED) do
    local key = base .. name .. (string.sub(name, -1) == ':' and 'x' or '')
    if not may('SET', key, 'v') or not may('GET', key) then
      missing[#missing + 1] = '~' .. prefix .. ':*'
      break
    end
  end
end
return missing
