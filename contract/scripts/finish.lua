-- Ends a job, if the execution still holds its lease.
-- ARGV: `<job id>:<execution id>`, RQ status, then field and value of what else the job gets.
-- Returns 1, or 0 where the lease is lost and nothing was changed.

-- The job's share of the seconds that it took a worker, and its cost, weigh in with those of the jobs before it.
local function measure_pace(id, time)
  local job = redis.call('HMGET', job_key(id), 'claimed_at', 'cost')
  local measured = redis.call('HMGET', PACE, 'seconds', 'cost')
  if not job[2] then return end
  local seconds = (measured[1] or 0) * PACE_MEMORY + math.max(time - job[1], 0) * share_of_batch(id)
  local cost = (measured[2] or 0) * PACE_MEMORY + job[2]
  redis.call('HSET', PACE, 'seconds', string.format('%.6f', seconds), 'cost', string.format('%.3f', cost))
end

-- What the client was told at the submit, beside what came.
local function judge_prediction(id, time)
  local predicted = redis.call('HGET', job_key(id), 'predicted_seconds')
  if not predicted then return end
  local seconds = seconds_since(id, 'submitted_at', time)
  observe('eta_error_seconds', SECONDS_BUCKETS, math.abs(seconds - predicted))
  observe('eta_ratio', RATIO_BUCKETS, seconds / math.max(predicted, 0.001))
end

local execution, status = ARGV[1], ARGV[2]
local id = job_of(execution)
if not let_go(execution) or not job_exists(id) then return 0 end
local time = now()
if #ARGV > 2 then redis.call('HSET', job_key(id), unpack(ARGV, 3)) end
local bytes = redis.call('HGET', job_key(id), 'stored_bytes')
if bytes then redis.call('INCRBY', STORED_BYTES, bytes) end
if status == 'finished' then
  measure_pace(id, time)
  judge_prediction(id, time)
end
end_job(id, status, time)
return 1
