-- Makes sure that the batch with the marker KEYS[1] is never applied, unless it has been: returns which.
-- ARGV[1] is the lifetime of the marker in seconds.
redis.call('SET', KEYS[1], 'void', 'EX', ARGV[1], 'NX')
return {redis.call('GET', KEYS[1])}
