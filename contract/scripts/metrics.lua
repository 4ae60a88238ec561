-- What GET /metrics tells of Redis, at one moment.
-- Returns the time, the counters, jobs in line, seconds that the oldest of them has waited, jobs running, bytes of pictures,
-- and what the workers said.
local time = now()

-- An owner's jobs stand in the order in which they came.
local function oldest_age()
  local oldest = 0
  for _, owner in ipairs(redis.call('SMEMBERS', OWNERS)) do
    local first = redis.call('ZRANGE', LINE_PREFIX .. owner, 0, 0)
    if first[1] then oldest = math.max(oldest, seconds_since(first[1], 'submitted_at', time)) end
  end
  return string.format('%.3f', oldest)
end

return { string.format('%.6f', time), redis.call('HGETALL', COUNTERS), queue_length(), oldest_age(),
  redis.call('ZCARD', LEASES), redis.call('GET', STORED_BYTES) or '0', redis.call('HGETALL', WORKERS) }
