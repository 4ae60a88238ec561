-- Removes the record of a job that has ended and whose images are gone.
-- ARGV: job id.
local id = ARGV[1]
local status = redis.call('HGET', job_key(id), 'status')
redis.call('DEL', job_key(id))
redis.call('ZREM', EXPIRING, id)
if status then redis.call('ZREM', REGISTRIES[status], id) end
return 1
