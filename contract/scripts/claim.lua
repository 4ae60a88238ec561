-- Leases jobs from the head of the line to a worker.
-- ARGV: worker name, an execution id for each job that it can take.
-- Returns for each job taken: id, execution id, data, parameters, timeout.
local worker = ARGV[1]
local time = now()

local function next_queued()
  while true do
    local id = redis.call('LPOP', QUEUE)
    promote()
    if not id or redis.call('HGET', job_key(id), 'status') == 'queued' then return id end
  end
end

local claims = {}
for index = 2, #ARGV do
  local id = next_queued()
  if not id then break end
  local key, execution = job_key(id), id .. ':' .. ARGV[index]
  redis.call('ZADD', LEASES, time + LEASE_SECONDS, execution)
  -- RQ's own clean-up fails jobs whose score here has passed; the lease is ours to judge.
  redis.call('ZADD', STARTED, '+inf', execution)
  redis.call('HSET', HOLDERS, execution, worker)
  redis.call('HSET', key, 'status', 'started', 'started_at', iso(time), 'worker_name', worker)
  redis.call('HINCRBY', key, 'attempts', 1)
  show_worker(worker, 'state', 'busy')
  local job = redis.call('HMGET', key, 'data', 'parameters', 'timeout')
  claims[#claims + 1] = { id, ARGV[index], job[1], job[2], job[3] }
end
return claims
