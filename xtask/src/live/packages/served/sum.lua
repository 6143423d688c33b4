-- Everything that is there, as one number: each key with its content and its end.
local keys = redis.call('KEYS', '*')
table.sort(keys)
local said = {}
for _, key in ipairs(keys) do
    local content = redis.sha1hex(redis.call('DUMP', key))
    table.insert(said, key .. ' ' .. content .. ' ' .. redis.call('PEXPIRETIME', key))
end
return #keys .. ' ' .. redis.sha1hex(table.concat(said, '\n'))
