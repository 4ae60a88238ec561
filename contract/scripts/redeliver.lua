-- Has everything that a job's webhook was to tell sent again. What is being sent already stays as it is.
-- ARGV: job id, owner. Returns how many deliveries there are; the record, `gone`, or nil.
local id, owner = ARGV[1], ARGV[2]
local key, time, count = job_key(id), now(), 0
if owner_of(id) == owner then
  local receiver = receiver_of(id)
  each_delivery(id, function(event, delivery)
    count = count + 1
    if time < tonumber(redis.call('HGET', key, 'lease:' .. event) or 0) then return end
    delivery.state, delivery.tries, delivery.next_attempt_at = 'pending', 0, iso(time)
    redis.call('HSET', key, 'delivery:' .. event, cjson.encode(delivery))
    set_due(receiver, id .. ':' .. event, time)
  end)
  redis.call('HDEL', key, 'webhook_stopped')
end
return { count, record(id, owner) }
