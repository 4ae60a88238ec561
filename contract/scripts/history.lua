-- What happened to a job after an event.
-- ARGV: job id, owner, the event's number, 0 for all. Returns the record, `gone`, or nil; the number of the last event
-- that there was; the entries of the stream that are still kept.
local id = ARGV[1]
local job = record(id, ARGV[2])
if type(job) ~= 'table' then return { job } end
local last = tonumber(redis.call('HGET', job_key(id), 'events') or 0)
return { job, last, redis.call('XRANGE', EVENTS_PREFIX .. id, '(' .. ARGV[3] .. '-0', '+') }
