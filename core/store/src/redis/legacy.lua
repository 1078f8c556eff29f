-- Descriptions of the infrastructures that Occopus 1.10 keeps in database ARGV[1] under keys that match the
-- pattern ARGV[2]: keys and texts take turns. ARGV[3] is the database in use.
redis.call('SELECT', ARGV[1])
local reply = {}
for _, key in ipairs(redis.call('KEYS', ARGV[2])) do
    if redis.call('TYPE', key).ok == 'string' then
        reply[#reply + 1] = key
        reply[#reply + 1] = redis.call('GET', key)
    end
end
redis.call('SELECT', ARGV[3])
return reply
