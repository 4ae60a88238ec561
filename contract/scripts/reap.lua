-- Takes leases back and puts their jobs where they stood in line; the third crash of a job fails it.
-- ARGV: 'expired'                             every lease that has run out
--       'worker', worker name                 every lease of a worker that is known to be dead
--       'released', worker name, execution... leases that a worker gives back: no crash
-- Returns `<job id> <requeued|failed|canceled>` for each.
local mode = ARGV[1]
local time = now()

local function expired()
  local seen = tonumber(redis.call('HGET', REAPER, 'seen') or time)
  redis.call('HSET', REAPER, 'seen', string.format('%.6f', time))
  if time - seen > REAPER_GAP_SECONDS then
    redis.call('HSET', REAPER, 'grace', string.format('%.6f', time + LEASE_SECONDS))
  end
  if time < tonumber(redis.call('HGET', REAPER, 'grace') or 0) then return {} end
  return redis.call('ZRANGEBYSCORE', LEASES, '-inf', time, 'LIMIT', 0, 100)
end

local executions
if mode == 'expired' then
  executions = expired()
elseif mode == 'worker' then
  executions = redis.call('SMEMBERS', EXECUTIONS_PREFIX .. ARGV[2])
else
  executions = { unpack(ARGV, 3) }
end

local outcomes = {}
for _, execution in ipairs(executions) do
  if redis.call('ZREM', LEASES, execution) == 1 then
    local id = job_of(execution)
    local key = job_key(id)
    let_go(execution, redis.call('HGET', key, 'worker_name') or '')
    local crashes = mode ~= 'released' and redis.call('HINCRBY', key, 'crashes', 1) or 0
    local outcome = 'requeued'
    if redis.call('HEXISTS', key, 'cancel_requested') == 1 then
      outcome = 'canceled'
      end_job(id, 'canceled', time)
    elseif crashes >= MAX_CRASHES then
      outcome = 'failed'
      redis.call('HSET', key, 'error_code', 'worker_crashed', 'error_detail',
        'The worker died ' .. crashes .. ' times while running this job.')
      end_job(id, 'failed', time)
    else
      redis.call('HSET', key, 'status', 'queued')
      redis.call('HDEL', key, 'started_at', 'step', 'total', 'worker_name')
      redis.call('ZADD', WAITING, tonumber(redis.call('HGET', key, 'score')), id)
      promote()
    end
    outcomes[#outcomes + 1] = id .. ' ' .. outcome
  end
end
return outcomes
