-- Puts down what came of a try, where its lease was not given to another process since.
-- ARGV: job id, event, lease, the delivery as JSON, seconds until the next try; '' for none.
-- Returns 1, or 0 where nothing was changed.
local id, event, lease, delivery = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local receiver, key = receiver_of(id), job_key(id)
if redis.call('HGET', key, 'lease:' .. event) ~= lease then return 0 end
redis.call('HDEL', key, 'lease:' .. event)
local next_at = ARGV[5] ~= '' and now() + tonumber(ARGV[5]) or nil
delivery.next_attempt_at = next_at and iso(next_at)
redis.call('HSET', key, 'delivery:' .. event, cjson.encode(delivery))
set_due(receiver, id .. ':' .. event, next_at)
if delivery.state == 'stopped' then
  -- The receiver wants no more of this job.
  redis.call('HSET', key, 'webhook_stopped', '1')
  each_delivery(id, function(other, waiting)
    if waiting.state ~= 'pending' then return end
    waiting.state, waiting.next_attempt_at = 'stopped', nil
    redis.call('HSET', key, 'delivery:' .. other, cjson.encode(waiting))
    redis.call('HDEL', key, 'lease:' .. other)
    set_due(receiver, id .. ':' .. other, nil)
  end)
end
return 1
