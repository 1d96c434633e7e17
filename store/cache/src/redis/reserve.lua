-- Checks all claims, then adds all of them or none. ARGV: a name for windows that begin here, then five for each key:
-- kind (w window, b budget, l lease), what is added, the most (-1: no limit), milliseconds, and the sum that a budget
-- begins with (empty: not known) or the name of a lease's holder.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local out, granted = {}, true
local function of(i)
  local at = 2 + (i - 1) * 5
  return ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), ARGV[at + 4]
end
for i, key in ipairs(KEYS) do
  local kind, n, most, lasts, extra = of(i)
  local used, window, left = nil, '0', lasts
  if kind == 'l' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    used = redis.call('ZCARD', key)
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if first[2] then left = first[2] - now end
  else
    local held = redis.call('HMGET', key, 'v', 'w')
    if held[1] then
      used, window, left = tonumber(held[1]), held[2], redis.call('PTTL', key)
    elseif kind == 'w' then
      used = 0
    elseif extra ~= '' then
      used = tonumber(extra)
    end
  end
  local verdict = 0
  if not used then
    verdict = 2
  elseif most >= 0 and used + n > most then
    verdict = 1
  end
  if verdict ~= 0 then granted = false end
  out[i] = {used or 0, window, left, verdict}
end
if not granted then return out end
for i, key in ipairs(KEYS) do
  local kind, n, most, lasts, extra = of(i)
  if kind == 'l' then
    redis.call('ZADD', key, now + lasts, extra)
    local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
    redis.call('PEXPIREAT', key, last[2])
    out[i][1], out[i][2] = redis.call('ZCARD', key), '1'
  else
    if out[i][2] == '0' then
      redis.call('HSET', key, 'v', string.format('%.0f', out[i][1]), 'w', ARGV[1])
      redis.call('PEXPIRE', key, lasts)
      out[i][2] = ARGV[1]
    end
    out[i][1] = redis.call('HINCRBY', key, 'v', string.format('%.0f', n))
  end
end
return out
