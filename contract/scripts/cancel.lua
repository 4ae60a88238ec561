-- Cancels a queued job at once, asks the worker of a running one to stop, and leaves an ended one as it is.
-- ARGV: job id. Returns the record, nil where there is none.
local id = ARGV[1]
local status = redis.call('HGET', job_key(id), 'status')
if status == 'queued' then
  redis.call('ZREM', WAITING, id)
  redis.call('LREM', QUEUE, 0, id)
  end_job(id, 'canceled', now())
  promote()
elseif status == 'started' then
  redis.call('HSET', job_key(id), 'cancel_requested', '1')
end
return record(id)
