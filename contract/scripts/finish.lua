-- Ends a job, if the execution still holds its lease.
-- ARGV: `<job id>:<execution id>`, RQ status, then field and value of what else the job gets.
-- Returns 1, or 0 where the lease is lost and nothing was changed.
local execution, status = ARGV[1], ARGV[2]
local id = job_of(execution)
if not let_go(execution) or not job_exists(id) then return 0 end
if #ARGV > 2 then redis.call('HSET', job_key(id), unpack(ARGV, 3)) end
end_job(id, status, now())
return 1
