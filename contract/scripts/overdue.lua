-- Fails the queued jobs whose deadline is over; a running one is its worker's to end.
-- Returns their ids.
local time = now()
local failed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', time, 'LIMIT', 0, 100)) do
  local status = redis.call('HGET', job_key(id), 'status')
  if status == 'queued' then
    leave_line(id)
    fail(id, 'deadline_exceeded', too_late(id), time)
    failed[#failed + 1] = id
  elseif status ~= 'started' then
    redis.call('ZREM', DEADLINES, id)
  end
end
promote()
return failed
