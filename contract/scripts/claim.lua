-- Leases jobs from the head of the line to a worker.
-- ARGV: worker name, an execution id for all jobs, BatchLimits as JSON.
-- Returns for each job taken: id, execution id, owner, traceparent, tracestate, how often it was taken, seconds since its
-- submission, data, parameters, seconds it may run, what to say when it did not end in them, and `1` or nothing for
-- exclusive. The trace's two are empty where nobody traces.
local worker = ARGV[1]
local time = now()

-- The head of the line is a job no more where a tool deleted it, and too late where nobody has noticed yet.
local function next_queued()
  while true do
    local id = redis.call('LPOP', QUEUE)
    if not id then return nil end
    leave_line(id)
    promote()
    local deadline, score, status = unpack(redis.call('HMGET', job_key(id), 'deadline', 'score', 'status'))
    if status == 'queued' then
      if not (deadline and score) then
        fail(id, 'invalid_job', "The job's record was not written by the service.", time)
      elseif time < tonumber(deadline) then
        redis.call('SET', VIRTUAL_TIME, string.format('%.0f', math.max(virtual_time(), tonumber(score))))
        return id
      else
        fail_overdue({ id }, time)
        -- And all others at once, so that owners with many of them do not move up once for each.
        fail_overdue(overdue(time, -1), time)
      end
    end
  end
end

local function time_limit(id)
  local job = redis.call('HMGET', job_key(id), 'timeout', 'deadline')
  local timeout, left = tonumber(job[1]), tonumber(job[2]) - time
  if timeout <= left then return job[1], 'The job ran longer than ' .. job[1] .. ' seconds.' end
  return string.format('%.6f', left), too_late(id)
end

-- A stand-in: what the jobs of one pipeline call have in common, and how many images.
local function kind_of(id)
  local text, exclusive, crashes = unpack(redis.call('HMGET', job_key(id), 'parameters', 'exclusive', 'crashes'))
  local readable, asked = pcall(cjson.decode, text or '')
  if not readable or type(asked) ~= 'table' or not asked.num_images_per_prompt then return nil, 1 end
  if (exclusive and exclusive ~= '') or tonumber(crashes or 0) >= MAX_CRASHES - 1 then return nil, 1 end
  return table.concat({ asked.model, asked.width, asked.height, asked.num_inference_steps, asked.scheduler,
    tostring(asked.guidance_scale > 1) }, ' '), asked.num_images_per_prompt
end

local function take(id)
  local key, execution = job_key(id), id .. ':' .. ARGV[2]
  redis.call('ZADD', LEASES, time + LEASE_SECONDS, execution)
  -- RQ's own clean-up fails jobs whose score here has passed; the lease is ours to judge.
  redis.call('ZADD', STARTED, '+inf', execution)
  redis.call('HSET', HOLDERS, execution, worker)
  redis.call('HSET', key, 'status', 'started', 'started_at', iso(time), 'claimed_at', string.format('%.6f', time),
    'worker_name', worker)
  local attempts = redis.call('HINCRBY', key, 'attempts', 1)
  tell(id, 'running', attempts)
  notify(id, 'running', time)
  local waited = seconds_since(id, 'submitted_at', time)
  if attempts == 1 then observe('queue_wait_seconds', SECONDS_BUCKETS, waited) end
  show_worker(worker, 'state', 'busy')
  local job = redis.call('HMGET', key, 'owner', 'traceparent', 'tracestate', 'data', 'parameters', 'exclusive')
  local seconds, too_long = time_limit(id)
  return { id, ARGV[2], job[1] or '', job[2] or '', job[3] or '', tostring(attempts),
    string.format('%.6f', waited), job[4], job[5], seconds, too_long, job[6] or '' }
end

local limits = cjson.decode(ARGV[3] or '{"images":1}')
local id = next_queued()
if not id then return {} end
local kind, images = kind_of(id)
local claims = { take(id) }
if kind and limits.images > 1 then
  for _, other in ipairs({ redis.call('LINDEX', QUEUE, 0) or nil, unpack(redis.call('ZRANGE', WAITING, 0, 64)) }) do
    local its_kind, its_images = kind_of(other)
    local deadline = tonumber(redis.call('HGET', job_key(other), 'deadline') or 0)
    if its_kind == kind and images + its_images <= limits.images and time < deadline then
      leave_line(other)
      images = images + its_images
      claims[#claims + 1] = take(other)
    end
  end
  promote()
end
return claims
