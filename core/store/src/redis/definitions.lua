-- Node definitions: the one called ARGV[9], or with an empty ARGV[9] all whose keys match the pattern
-- ARGV[8]. A text that Occopus 1.10 wrote gets a version.
local refused = refusal()
if refused then
    return refused
end
local pattern, which = ARGV[8], ARGV[9]

local found = among_definitions(function()
    local keys = which ~= '' and {DEFINITIONS .. which} or redis.call('KEYS', pattern)
    local texts = {}
    for _, key in ipairs(keys) do
        if redis.call('TYPE', key).ok == 'string' then
            texts[string.sub(key, #DEFINITIONS + 1)] = redis.call('GET', key)
        end
    end
    return texts
end)

local reply = {'found', LAST}
for id, text in pairs(found) do
    local version = definition_version(id, text)
    if not version then
        local number = redis.call('HINCRBY', META, 'last_number', 1)
        note_definition(id, text, number)
        version = number_text(number)
    end
    reply[#reply + 1] = id
    reply[#reply + 1] = version .. ' ' .. text
end
return reply
