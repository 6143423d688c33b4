-- One key of every kind, and a hundred more that end one day. A set of words would be dumped in another order after each
-- start of the server; one of numbers is sorted.
redis.call('HSET', 'hash', 'field', 'value', 'empty', '')
redis.call('RPUSH', 'list', 'first', 'second', 'third')
redis.call('SADD', 'set', 1, 2, 3)
redis.call('ZADD', 'sorted', 1.5, 'a', 2.5, 'b')
redis.call('XADD', 'stream', '1-1', 'field', 'value')
for number = 1, 100 do
    redis.call('SET', 'key:' .. number, string.rep('v', number), 'PXAT', 4102444800000 + number)
end
return 'filled'
