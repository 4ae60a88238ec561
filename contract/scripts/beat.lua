-- Shows a worker's state, renews its leases and writes the progress of its jobs.
-- ARGV: worker name, its state as JSON, then for each execution: `<job id>:<execution id>`, step, total.
-- Returns for each execution: 0 the lease is lost; or 1, plus 2 the job is to be canceled, plus 4 a preview is wanted.
local time = now()
redis.call('HSET', WORKERS, ARGV[1], string.format('%.6f ', time) .. ARGV[2])
show_worker(ARGV[1], 'last_heartbeat', iso(time))
local answers = {}
for index = 3, #ARGV, 3 do
  local execution, step, total = ARGV[index], ARGV[index + 1], ARGV[index + 2]
  local key = job_key(job_of(execution))
  if redis.call('ZSCORE', LEASES, execution) and job_exists(job_of(execution)) then
    redis.call('ZADD', LEASES, time + LEASE_SECONDS, execution)
    if total ~= '0' and redis.call('HGET', key, 'step') ~= step then
      redis.call('HSET', key, 'step', step, 'total', total)
      tell(job_of(execution), 'progress', step .. '/' .. total)
    end
    answers[#answers + 1] = 1 + 2 * redis.call('HEXISTS', key, 'cancel_requested')
      + 4 * redis.call('EXISTS', PREVIEW_PREFIX .. job_of(execution))
  else
    answers[#answers + 1] = 0
  end
end
return answers
