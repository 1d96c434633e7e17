-- Replaces what was claimed by what was used. ARGV, five for each key: kind, what was claimed, the window that it was
-- added to, what was used, and the name of a lease's holder.
for i, key in ipairs(KEYS) do
  local at = 1 + (i - 1) * 5
  local kind, n, window, used = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 3])
  if kind == 'l' then
    redis.call('ZREM', key, ARGV[at + 4])
  else
    local held = redis.call('HMGET', key, 'v', 'w')
    if held[1] and held[2] == window then
      redis.call('HSET', key, 'v', string.format('%.0f', math.max(held[1] - n, 0) + used))
    elseif held[1] and kind == 'b' then
      redis.call('HSET', key, 'v', string.format('%.0f', held[1] + used))
    end
  end
end
return true
