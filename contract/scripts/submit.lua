-- Puts a new job at the end of the line. A submit that is sent again, because its answer was lost, finds the job there.
-- ARGV: job id, parameters, timeout in seconds, retention in seconds, description. Returns the record.
local id, parameters, timeout, retention, description = unpack(ARGV)
if not job_exists(id) then
  local score = redis.call('INCR', SEQUENCE)
  local time = iso(now())
  redis.call('HSET', job_key(id), 'status', 'queued', 'origin', QUEUE_NAME, 'data', RQ_DATA, 'description', description,
    'parameters', parameters, 'score', score, 'created_at', time, 'enqueued_at', time, 'timeout', timeout,
    'result_ttl', retention, 'failure_ttl', retention)
  redis.call('SADD', QUEUES, QUEUE)
  redis.call('ZADD', WAITING, score, id)
  promote()
end
return record(id)
