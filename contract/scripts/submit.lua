-- Puts a new job in line, or says why not; all bounds are judged in the same step.
-- ARGV: the submission as JSON, see service/jobs/submission.py.
-- Returns what came of it, and:
--   accepted, replayed    the job's id and record, then the allowance left and the seconds until it is whole, where there is one
--   other_request, gone, storage_full   nothing
--   queue_full, owner_queue_full, rate_exceeded    seconds until another try may succeed, then as above
local ask = cjson.decode(ARGV[1])
local id, owner = ask.id, ask.owner
local key_of_request = ask.idempotency_key and IDEMPOTENCY_PREFIX .. owner .. ':' .. ask.idempotency_key
local line = LINE_PREFIX .. owner
local time = now()

local function earlier()
  local known = key_of_request and redis.call('GET', key_of_request)
  if not known then return nil end
  local fingerprint, first_id = string.match(known, '^(%S+) (%S+)$')
  if fingerprint ~= ask.fingerprint then return { 'other_request' } end
  local job = record(first_id, owner)
  if type(job) ~= 'table' then return { 'gone' } end
  -- The client of Redis sends a submit again whose answer was lost: that is the same request, not a second one.
  return { first_id == id and 'accepted' or 'replayed', first_id, job }
end

-- Seconds until the workers have come to the end of that much work, and take a job.
local function until_room(cost)
  return string.format('%.3f', seconds_until_done(cost, time) or UNKNOWN_WAIT_SECONDS)
end

local function cost_before_own()
  local first = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
  if not first[1] then return 0 end
  return cost_until(first[1], first[2]) - tonumber(redis.call('HGET', job_key(first[1]), 'cost') or 0)
end

-- Generic cell rate algorithm: one value, the time at which the allowance is whole again. A minute's worth may come at once.
local function allowance()
  local whole_at = tonumber(redis.call('GET', RATE_PREFIX .. owner) or 0)
  local spacing = 60 / ask.requests_per_minute
  local after = math.max(whole_at, time) + spacing
  return after, math.floor((60 - (after - time)) / spacing + 1e-6), spacing
end

local function refusal()
  if ask.no_room then return { 'storage_full' } end
  if ask.owner_max_queued and redis.call('ZCARD', line) >= ask.owner_max_queued then
    return { 'owner_queue_full', until_room(cost_before_own()) }
  end
  if queue_length() >= ask.max_queued then return { 'queue_full', until_room(0) } end
end

local before = earlier()
if before then return before end
if job_exists(id) then return { 'accepted', id, record(id, owner) } end
local refused = refusal()
if refused then return refused end
local left, whole_in
if ask.requests_per_minute then
  local after, remaining, spacing = allowance()
  if remaining < 0 then
    local whole = after - spacing - time
    return { 'rate_exceeded', string.format('%.3f', whole + spacing - 60), 0, string.format('%.3f', whole) }
  end
  left, whole_in = remaining, string.format('%.3f', after - time)
  redis.call('SET', RATE_PREFIX .. owner, string.format('%.6f', after), 'PX', math.max(1, math.ceil((after - time) * 1000)))
end

local last = redis.call('ZRANGE', line, -1, -1, 'WITHSCORES')
local score = math.max(virtual_time(), tonumber(last[2] or 0)) + ask.cost
local deadline = time + ask.deadline_seconds
local created = iso(time)
redis.call('HSET', job_key(id), 'status', 'queued', 'origin', QUEUE_NAME, 'data', RQ_DATA, 'description', ask.description,
  'owner', owner, 'traceparent', ask.traceparent or '', 'model', ask.model, 'parameters', ask.parameters, 'labels', ask.labels, 'cost', ask.cost,
  'score', string.format('%.0f', score), 'created_at', created, 'enqueued_at', created,
  'timeout', ask.timeout_seconds, 'deadline', string.format('%.6f', deadline), 'deadline_at', iso(deadline),
  'deadline_seconds', ask.deadline_seconds, 'result_ttl', ask.retention_seconds, 'failure_ttl', ask.retention_seconds)
redis.call('SADD', QUEUES, QUEUE)
redis.call('ZADD', JOBS_PREFIX .. owner, redis.call('HINCRBY', SEQUENCES, owner, 1), id)
redis.call('ZADD', DEADLINES, deadline, id)
if key_of_request then redis.call('SET', key_of_request, ask.fingerprint .. ' ' .. id, 'EX', IDEMPOTENCY_SECONDS) end
tell(id, 'queued', '')
enter_line(id, owner, string.format('%.0f', score))
return { 'accepted', id, record(id, owner), left, whole_in }
