-- Ends a job, if the execution still holds its lease.
-- ARGV: `<job id>:<execution id>`, worker name, RQ status, then field and value of what else the job gets.
-- Returns 1, or 0 where the lease is lost and nothing was changed.
local execution, worker, status = ARGV[1], ARGV[2], ARGV[3]
if redis.call('ZREM', LEASES, execution) == 0 then return 0 end
let_go(execution, worker)
local id = job_of(execution)
if #ARGV > 3 then redis.call('HSET', job_key(id), unpack(ARGV, 4)) end
end_job(id, status, now())
return 1
