-- Opens the store, and makes it where there is none. KEYS[1] is its record, ARGV[1] the identity of a new
-- one, ARGV[2] the schema of a new one.
if redis.call('HSETNX', KEYS[1], 'store_id', ARGV[1]) == 1 then
    redis.call('HSET', KEYS[1], 'schema', ARGV[2])
    redis.call('HSET', KEYS[1], 'last_number', 0)
end
local meta = redis.call('HMGET', KEYS[1], 'store_id', 'schema', 'last_number')
return {meta[1], meta[2] or '', meta[3] or '0'}
