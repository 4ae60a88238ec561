-- Removes the record of a job that has ended and whose images are gone.
-- ARGV: job id, seconds for which its owner is still told that it was there; 0 for none.
local id, tombstone_seconds = ARGV[1], tonumber(ARGV[2])
local key, owner = job_key(id), owner_of(id)
local status = redis.call('HGET', key, 'status')
local bytes, grid = unpack(redis.call('HMGET', key, 'stored_bytes', 'grid_id'))
if bytes then redis.call('DECRBY', STORED_BYTES, bytes) end
local receiver = receiver_of(id)
each_delivery(id, function(event) set_due(receiver, id .. ':' .. event, nil) end)
redis.call('DEL', key, EVENTS_PREFIX .. id)
redis.call('ZREM', EXPIRING, id)
redis.call('ZREM', JOBS_PREFIX .. owner, id)
if tombstone_seconds == 0 then redis.call('DEL', TOMBSTONE_PREFIX .. id) end
if status then
  redis.call('ZREM', REGISTRIES[status], id)
  if tombstone_seconds > 0 then redis.call('SET', TOMBSTONE_PREFIX .. id, owner, 'EX', tombstone_seconds) end
end
if grid and grid ~= '' and not any_job_exists(jobs_of_grid(grid)) then forget_grid(grid, owner, tombstone_seconds) end
return 1
