-- Applies a batch: all of it, or nothing. KEYS[2] is the marker of the batch, ARGV[8] its lifetime in
-- seconds. Then the number of preconditions; for each table, scope, identifier and version (empty:
-- absent); then for each write the operation, table, scope, identifier and value.
local MARKER, LIFETIME = KEYS[2], ARGV[8]

-- Sent before, with a reply that was lost, or given up.
local known = redis.call('GET', MARKER)
if known then
    return {known}
end
local refused = refusal()
if refused then
    return refused
end

local at = 8
local function take()
    at = at + 1
    return ARGV[at]
end

local function version(kind, scope, id)
    if is_definition(kind, scope) then
        local text = among_definitions(function() return redis.call('GET', DEFINITIONS .. id) end)
        return text and (definition_version(id, text) or 'foreign') or ''
    end
    local record = redis.call('HGET', records(kind, scope), id)
    return record and string.match(record, '^%d+') or ''
end

for index = 0, tonumber(take()) - 1 do
    local kind, scope, id, wanted = take(), take(), take(), take()
    if version(kind, scope, id) ~= wanted then
        return {'conflict', tostring(index)}
    end
end
if at == #ARGV then
    return {'applied', LAST}
end

local count = (#ARGV - at) / 5
local last = redis.call('HINCRBY', META, 'last_number', count)
local number = last - count

local function put(kind, scope, id, value)
    if is_definition(kind, scope) then
        among_definitions(function() return redis.call('SET', DEFINITIONS .. id, value) end)
        return note_definition(id, value, number)
    end
    if redis.call('HSET', records(kind, scope), id, number_text(number) .. ' ' .. value) == 1 then
        redis.call('ZADD', ids(kind, scope), 0, id)
    end
end

local function delete(kind, scope, id)
    if is_definition(kind, scope) then
        among_definitions(function() return redis.call('DEL', DEFINITIONS .. id) end)
        redis.call('HDEL', PREFIX .. 'definitions', id)
        return
    end
    redis.call('HDEL', records(kind, scope), id)
    redis.call('ZREM', ids(kind, scope), id)
end

while at < #ARGV do
    number = number + 1
    local operation, kind, scope, id, value = take(), take(), take(), take(), take()
    if operation == 'delete' then
        delete(kind, scope, id)
    else
        put(kind, scope, operation == 'append' and string.format('%020.0f', number) or id, value)
    end
end
redis.call('SET', MARKER, 'applied', 'EX', LIFETIME)
return {'applied', number_text(last)}
