-- Takes leases back and puts their jobs where they stood in line; the third crash of a job fails it.
-- ARGV: 'expired'                             every lease that has run out
--       'worker', worker name                 every lease of a worker that is known to be dead
--       'released', execution...              leases that a worker gives back: no crash
-- Returns `<job id> <requeued|failed|canceled>` for each.
local mode = ARGV[1]
local time = now()

local function expired()
  local seen = tonumber(redis.call('HGET', REAPER, 'seen') or time)
  redis.call('HSET', REAPER, 'seen', string.format('%.6f', time))
  if time - seen > REAPER_GAP_SECONDS then
    redis.call('HSET', REAPER, 'grace', string.format('%.6f', time + LEASE_SECONDS))
  end
  -- Nothing lasts longer than a lease from now; what seems to was written before the clock was set back.
  for _, execution in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '(' .. string.format('%.6f', time + LEASE_SECONDS), '+inf')) do
    redis.call('ZADD', LEASES, time + LEASE_SECONDS, execution)
  end
  local grace = tonumber(redis.call('HGET', REAPER, 'grace') or 0)
  if time < grace and grace <= time + LEASE_SECONDS then return {} end
  return redis.call('ZRANGEBYSCORE', LEASES, '-inf', time, 'LIMIT', 0, 100)
end

local function held_by(worker)
  local found, holders = {}, redis.call('HGETALL', HOLDERS)
  for index = 1, #holders, 2 do
    if holders[index + 1] == worker then found[#found + 1] = holders[index] end
  end
  return found
end

local executions
if mode == 'expired' then
  executions = expired()
elseif mode == 'worker' then
  executions = held_by(ARGV[2])
else
  executions = { unpack(ARGV, 2) }
end

-- Where the job of an execution goes whose lease was taken back.
local function settle(id)
  local key = job_key(id)
  local crashes = mode ~= 'released' and redis.call('HINCRBY', key, 'crashes', 1) or 0
  if redis.call('HEXISTS', key, 'cancel_requested') == 1 then
    end_job(id, 'canceled', time)
    return 'canceled'
  end
  if crashes >= MAX_CRASHES then
    fail(id, 'worker_crashed', 'The worker died ' .. crashes .. ' times while running this job.', time)
    return 'failed'
  end
  redis.call('HSET', key, 'status', 'queued')
  redis.call('HDEL', key, 'started_at', 'claimed_at', 'step', 'total', 'worker_name', 'batch_cost')
  if crashes >= CRASHES_TO_BE_ALONE then redis.call('HDEL', key, 'batch_key') end
  tell(id, 'queued', '')
  enter_line(id, owner_of(id), redis.call('HGET', key, 'score'))
  return 'requeued'
end

local outcomes = {}
for _, execution in ipairs(executions) do
  local id = job_of(execution)
  if let_go(execution) and job_exists(id) then
    local outcome = settle(id)
    if mode ~= 'released' then count('lease_takeovers', outcome) end
    outcomes[#outcomes + 1] = id .. ' ' .. outcome
  end
end
return outcomes
