-- Puts new jobs in line, all or none, or says why not; all bounds are judged in the same step.
-- ARGV: the submission as JSON, see service/jobs/submission.py: one job, or those of a grid in their order.
-- Returns what came of it, and:
--   accepted, replayed    the id and record of the job or the grid, then the allowance left and the seconds until it is
--                         whole, where there is one
--   other_request, gone, storage_full   nothing
--   queue_full, owner_queue_full, rate_exceeded    seconds until another try may succeed, then as above
local ask = cjson.decode(ARGV[1])
local owner, number = ask.owner, #ask.jobs
local id = ask.grid and ask.grid.id or ask.jobs[1].id
local key_of_request = ask.idempotency_key and IDEMPOTENCY_PREFIX .. owner .. ':' .. ask.idempotency_key
local line = LINE_PREFIX .. owner
local time = now()

local function made(first_id)
  if ask.grid then return grid_record(first_id, owner, CELL_FIELDS) end
  return record(first_id, owner)
end

local function earlier()
  local known = key_of_request and redis.call('GET', key_of_request)
  if not known then return nil end
  local fingerprint, first_id = string.match(known, '^(%S+) (%S+)$')
  if fingerprint ~= ask.fingerprint then return { 'other_request' } end
  local found = made(first_id)
  if type(found) ~= 'table' then return { 'gone' } end
  -- The client of Redis sends a submit again whose answer was lost: that is the same request, not a second one.
  return { first_id == id and 'accepted' or 'replayed', first_id, found }
end

-- Seconds until the workers have come to the end of that much work, and take a job.
local function until_room(cost)
  return string.format('%.3f', seconds_until_done(cost, time) or UNKNOWN_WAIT_SECONDS)
end

-- Of the work that comes before the job at a place, from 0, in a sorted set of jobs in line.
local function cost_before(set, place)
  local job = redis.call('ZRANGE', set, place, place, 'WITHSCORES')
  if not job[1] then return 0 end
  return cost_until(job[1], job[2]) - tonumber(redis.call('HGET', job_key(job[1]), 'cost') or 0)
end

-- Generic cell rate algorithm: one value, the time at which the allowance is whole again. A minute's worth may come at once.
local function allowance()
  local whole_at = tonumber(redis.call('GET', RATE_PREFIX .. owner) or 0)
  local spacing = 60 / ask.requests_per_minute
  local after = math.max(whole_at, time) + number * spacing
  return after, math.floor((60 - (after - time)) / spacing + 1e-6), spacing
end

local function refusal()
  if ask.no_room then return { 'storage_full' } end
  local over = ask.owner_max_queued and redis.call('ZCARD', line) + number - ask.owner_max_queued or 0
  if over > 0 then return { 'owner_queue_full', until_room(cost_before(line, over - 1)) } end
  over = queue_length() + number - ask.max_queued
  -- The first in line is not in the set, and nothing comes before it.
  if over > 0 then return { 'queue_full', until_room(over > 1 and cost_before(WAITING, over - 2) or 0) } end
end

local before = earlier()
if before then return before end
if job_exists(ask.jobs[1].id) then return { 'accepted', id, made(id) } end
local refused = refusal()
if refused then return refused end
local left, whole_in
if ask.requests_per_minute then
  local after, remaining, spacing = allowance()
  if remaining < 0 then
    local whole = after - number * spacing - time
    local still_left = math.max(0, math.floor((60 - whole) / spacing + 1e-6))
    return { 'rate_exceeded', string.format('%.3f', after - time - 60), still_left, string.format('%.3f', whole) }
  end
  left, whole_in = remaining, string.format('%.3f', after - time)
  redis.call('SET', RATE_PREFIX .. owner, string.format('%.6f', after), 'PX', math.max(1, math.ceil((after - time) * 1000)))
end

local deadline = time + ask.deadline_seconds
local created = iso(time)
local first_number

local function remember_prediction(job_id, seconds)
  if seconds then redis.call('HSET', job_key(job_id), 'predicted_seconds', seconds) end
end

local function put_in_line(job)
  local last = redis.call('ZRANGE', line, -1, -1, 'WITHSCORES')
  local score = string.format('%.0f', math.max(turns_end(owner), tonumber(last[2] or 0)) + job.cost)
  redis.call('HSET', job_key(job.id), 'status', 'queued', 'origin', QUEUE_NAME, 'data', RQ_DATA, 'description', job.description,
    'owner', owner, 'traceparent', ask.traceparent or '', 'tracestate', ask.tracestate or '',
    'model', job.model, 'parameters', job.parameters, 'style', job.style or '', 'labels', ask.labels,
    'grid_id', ask.grid and id or '', 'batch_key', job.batch_key, 'image_count', job.image_count,
    'exclusive', ask.exclusive and '1' or '', 'cost', job.cost, 'score', score, 'created_at', created, 'enqueued_at', created,
    'submitted_at', string.format('%.6f', time),
    'timeout', ask.timeout_seconds, 'deadline', string.format('%.6f', deadline), 'deadline_at', iso(deadline),
    'deadline_seconds', ask.deadline_seconds, 'result_ttl', ask.retention_seconds, 'failure_ttl', ask.retention_seconds)
  if ask.webhook then redis.call('HSET', job_key(job.id), 'webhook', ask.webhook, 'webhook_host', ask.webhook_host) end
  local place = redis.call('HINCRBY', SEQUENCES, owner, 1)
  redis.call('ZADD', JOBS_PREFIX .. owner, place, job.id)
  redis.call('ZADD', DEADLINES, deadline, job.id)
  note(job.id, 'queued', '')  -- who does not know the id cannot listen
  enter_line(job.id, owner, score)
  count('jobs_submitted', job.model)
  first_number = first_number or place
end

redis.call('SADD', QUEUES, QUEUE)
local ids = {}
for index, job in ipairs(ask.jobs) do
  ids[index] = job.id
  put_in_line(job)
end
if ask.grid then
  redis.call('HSET', GRID_PREFIX .. id, 'owner', owner, 'created_at', created, 'shape', ask.grid.shape,
    'jobs', table.concat(ids, ' '))
  redis.call('ZADD', GRIDS_PREFIX .. owner, first_number, id)
end
if key_of_request then redis.call('SET', key_of_request, ask.fingerprint .. ' ' .. id, 'EX', IDEMPOTENCY_SECONDS) end
local answer = made(id)
if ask.grid then
  for _, job_id in ipairs(ids) do remember_prediction(job_id, eta(job_id, owner, 'queued')) end
else
  remember_prediction(id, answer[#FIELDS + 2])
end
return { 'accepted', id, answer, left, whole_in }
