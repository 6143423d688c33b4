-- Digests of keys, made by the server: the twin of `digest.rs`, which says what is digested.
-- KEYS: the keys, or none to scan. ARGV: cursor, keys per scan, budget, size of a large key.
local cursor, per_scan, budget, large = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local call, sha1, number, cut = redis.call, redis.sha1hex, tonumber, string.sub

local function frame(text)
  return #text .. ':' .. text
end

local function flat(value, into)
  if type(value) == 'table' then
    for place = 1, #value do flat(value[place], into) end
  elseif type(value) == 'number' then
    into[#into + 1] = frame(string.format('%.0f', value))
  else
    into[#into + 1] = frame(value or '')
  end
end

local function ordered(value)
  local parts = {}
  flat(value, parts)
  return sha1(table.concat(parts))
end

local function add(sums, digest)
  for lane = 1, 4 do
    sums[lane] = (sums[lane] + number(cut(digest, lane * 8 - 7, lane * 8), 16)) % 4294967296
  end
end

local function unordered(values, width)
  local sums = {0, 0, 0, 0}
  for place = 1, #values, width do
    local one = frame(values[place])
    if width == 2 then one = one .. frame(values[place + 1]) end
    add(sums, sha1(one))
  end
  return string.format('%08x%08x%08x%08x', sums[1], sums[2], sums[3], sums[4])
end

local function groups(key)
  local sums = {0, 0, 0, 0}
  for _, group in ipairs(call('XINFO', 'GROUPS', key)) do
    local told = {}
    for place = 1, #group, 2 do told[group[place]] = group[place + 1] end
    local pending = call('XPENDING', key, told['name'])
    add(sums, ordered({told['name'], told['pending'], told['last-delivered-id'], pending}))
  end
  return string.format('%08x%08x%08x%08x', sums[1], sums[2], sums[3], sums[4])
end

local sizes = {string = 'STRLEN', list = 'LLEN', set = 'SCARD', zset = 'ZCARD', hash = 'HLEN', stream = 'XLEN'}
local bodies = {
  string = function(key) return call('GET', key) end,
  list = function(key) return ordered(call('LRANGE', key, 0, -1)) end,
  set = function(key) return unordered(call('SMEMBERS', key), 1) end,
  zset = function(key) return unordered(call('ZRANGE', key, 0, -1, 'WITHSCORES'), 2) end,
  hash = function(key) return unordered(call('HGETALL', key), 2) end,
  stream = function(key) return ordered(call('XRANGE', key, '-', '+')) .. groups(key) end,
}

local answer, spent = {}, 0
local keys = KEYS
if #keys == 0 then
  local scanned = call('SCAN', cursor, 'COUNT', per_scan)
  answer[1], keys = scanned[1], scanned[2]
else
  answer[1] = ''
end
for _, key in ipairs(keys) do
  local about
  if spent > budget then
    about = 'later'
  else
    local kind = call('TYPE', key).ok
    if kind == 'none' then
      about = 'none'
    else
      about = kind .. (call('PTTL', key) == -1 and ' lasts ' or ' expires ')
      if sizes[kind] then
        local size = call(sizes[kind], key)
        if kind == 'string' then size = size / 256 end
        if size > large then
          about = about .. 'large'
        else
          spent = spent + 1 + size
          about = about .. cut(sha1(frame(key) .. frame(kind) .. frame(bodies[kind](key))), 1, 32)
        end
      else
        about = about .. 'module'
      end
    end
  end
  answer[#answer + 1] = key
  answer[#answer + 1] = about
end
return answer
