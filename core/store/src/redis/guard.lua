-- Comes before every script that reads or writes records.
--
-- KEYS[1] the record of the store itself, ARGV[1] the prefix of its keys, ARGV[2] the identity that the
-- caller knows, ARGV[3] its schema, ARGV[4] the highest number it has seen, ARGV[5] the database in use,
-- ARGV[6] and ARGV[7] database and key prefix of node definitions.
local META, PREFIX, HOME = KEYS[1], ARGV[1], ARGV[5]
local DEFINITIONS_DB, DEFINITIONS = ARGV[6], ARGV[7]
local LAST

-- Why nothing may be done: this is not, or no longer, the store that the caller opened.
local function refusal()
    local meta = redis.call('HMGET', META, 'store_id', 'schema', 'last_number')
    if meta[1] ~= ARGV[2] then
        return {'replaced'}
    elseif meta[2] ~= ARGV[3] then
        return {'schema', meta[2] or ''}
    elseif tonumber(meta[3] or '0') < tonumber(ARGV[4]) then
        return {'lost'}
    end
    LAST = meta[3]
end

-- Works in the database of the node definitions.
local function among_definitions(work)
    redis.call('SELECT', DEFINITIONS_DB)
    local result = work()
    redis.call('SELECT', HOME)
    return result
end

-- Node definitions are kept where Occopus 1.10 looks for them; of other tables, every record is
-- a field of a hash, and its identifier a member of a sorted set.
local function is_definition(kind, scope)
    return kind == 'definition' and scope == ''
end

local function records(kind, scope)
    return PREFIX .. 'records:' .. kind .. ':' .. scope
end

local function ids(kind, scope)
    return PREFIX .. 'ids:' .. kind .. ':' .. scope
end

-- Version of a node definition; nil if Occopus 1.10 wrote the text after us.
local function definition_version(id, text)
    local known = redis.call('HGET', PREFIX .. 'definitions', id)
    local version, digest = string.match(known or '', '^(%d+) (%x+)$')
    return digest == redis.sha1hex(text) and version or nil
end

local function number_text(number)
    return string.format('%.0f', number)
end

local function note_definition(id, text, number)
    redis.call('HSET', PREFIX .. 'definitions', id, number_text(number) .. ' ' .. redis.sha1hex(text))
end
