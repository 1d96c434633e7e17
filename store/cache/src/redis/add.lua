-- Adds, keeps the sum at 0 or above, and starts the window with the first addition. ARGV: what is added, the window's
-- milliseconds, and its name.
local sum = redis.call('HINCRBY', KEYS[1], 'v', ARGV[1])
if sum < 0 then
  redis.call('HSET', KEYS[1], 'v', 0)
  sum = 0
end
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('HSET', KEYS[1], 'w', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return sum
