-- Records of ARGV[8] (table) and ARGV[9] (scope): the one called ARGV[11] if ARGV[10] is 'one', else
-- those after ARGV[11]. Identifiers and contents take turns.
local refused = refusal()
if refused then
    return refused
end
local kind, scope, how, which = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local reply = {'found', LAST}

local function add(id, content)
    if content then
        reply[#reply + 1] = id
        reply[#reply + 1] = content
    end
end

if how == 'one' then
    add(which, redis.call('HGET', records(kind, scope), which))
    return reply
end
local from = which == '' and '-' or '(' .. which
local found = redis.call('ZRANGEBYLEX', ids(kind, scope), from, '+')
-- In pieces, because a call takes some thousand arguments at most.
for first = 1, #found, 1000 do
    local last = math.min(first + 999, #found)
    local contents = redis.call('HMGET', records(kind, scope), unpack(found, first, last))
    for index = first, last do
        add(found[index], contents[index - first + 1])
    end
end
return reply
