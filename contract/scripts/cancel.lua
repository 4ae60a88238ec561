-- Cancels a queued job at once, asks the worker of a running one to stop, and leaves an ended one as it is.
-- ARGV: job id, owner. Returns the record, `gone`, or nil.
local id, owner = ARGV[1], ARGV[2]
local status = owner_of(id) == owner and redis.call('HGET', job_key(id), 'status')
if status == 'queued' then
  leave_line(id)
  move_up(owner)
  promote()
  end_job(id, 'canceled', now())
elseif status == 'started' then
  redis.call('HSET', job_key(id), 'cancel_requested', '1')
end
return record(id, owner)
