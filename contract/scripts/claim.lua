-- Leases the head of the line to a worker, and with it the first jobs behind it that the same pipeline call can draw.
-- ARGV: worker name, an execution id, then as JSON how many images a pipeline call may have: `images`, and `by_key` of each
-- batch key for which it is another number.
-- Returns for each job taken, in the order in which they stood: id, execution id, owner, traceparent, tracestate, how often
-- it was taken, seconds since its submission, data, parameters, seconds it may run, what to say when it did not end in them,
-- and 1 if it is exclusive. The trace's two are empty where nobody traces, the last if it is not. Nothing where there is no
-- job, or so many that cannot run that the rest is left to another try. Sent again with the same execution id, it returns
-- the jobs that it took.
local worker, execution_id, limits = ARGV[1], ARGV[2], cjson.decode(ARGV[3])
local time = now()
local swept = false

-- Takes a job out of the line. Returns its score, or nil where it cannot run: it is a job no more where a tool deleted it,
-- and too late where nobody has noticed yet.
local function take(id)
  local deadline, score, status = unpack(redis.call('HMGET', job_key(id), 'deadline', 'score', 'status'))
  if status == 'queued' and deadline and score and time >= tonumber(deadline) then
    fail_overdue({ id }, time)
    -- And others at once, so that owners with many of them do not move up once for each.
    if not swept then fail_overdue(overdue(time, LATE_AT_ONCE), time) end
    swept = true
    return nil
  end
  leave_line(id)
  if status ~= 'queued' then return nil end
  if not (deadline and score) then
    fail(id, 'invalid_job', "The job's record was not written by the service.", time)
    return nil
  end
  redis.call('HSET', job_key(id), 'status', 'started')
  return tonumber(score)
end

-- An owner whose jobs were taken ahead of their turns gets no turn for it.
local function remember_turn(id, score)
  local owner = owner_of(id)
  local highest = math.max(score, turns_end(owner))
  if highest > virtual_time() then
    redis.call('HSET', CLAIMED, owner, string.format('%.0f', highest))
  else
    redis.call('HDEL', CLAIMED, owner)
  end
end

local function take_leader()
  for _ = 1, HEADS_LOOKED_AT do
    local id = redis.call('LPOP', QUEUE)
    if not id then return nil end
    local score = take(id)
    if score then
      redis.call('SET', VIRTUAL_TIME, string.format('%.0f', math.max(virtual_time(), score)))
      remember_turn(id, score)
      return id
    end
    promote()
  end
end

-- None where a tool deleted the job.
local function images_of(id)
  return tonumber(redis.call('HGET', job_key(id), 'image_count') or 0)
end

-- Of those that share the leader's batch key, in their order; what has more images than are left to take stays.
local function take_followers(leader)
  local taken, batch_key = { leader }, batch_key_of(leader)
  if not batch_key then return taken end
  local limit = limits.by_key and limits.by_key[batch_key] or limits.images
  local room = limit - images_of(leader)
  if room < 1 then return taken end
  for _, id in ipairs(redis.call('ZRANGE', BATCH_PREFIX .. batch_key, 0, limit - 1)) do
    if room < 1 then break end
    local images = images_of(id)
    if images <= room then
      redis.call('ZREM', BATCH_PREFIX .. batch_key, id)  -- a record that a tool deleted does not name its key
      local score = take(id)
      if score then
        remember_turn(id, score)
        room = room - images
        taken[#taken + 1] = id
      end
    end
  end
  return taken
end

local function time_limit(id)
  local job = redis.call('HMGET', job_key(id), 'timeout', 'deadline')
  local timeout, left = tonumber(job[1]), tonumber(job[2]) - time
  if timeout <= left then return job[1], 'The job ran longer than ' .. job[1] .. ' seconds.' end
  return string.format('%.6f', left), too_late(id)
end

local function lease(id, batch_cost)
  local key, execution = job_key(id), id .. ':' .. execution_id
  redis.call('ZADD', LEASES, time + LEASE_SECONDS, execution)
  -- RQ's own clean-up fails jobs whose score here has passed; the lease is ours to judge.
  redis.call('ZADD', STARTED, '+inf', execution)
  redis.call('HSET', HOLDERS, execution, worker)
  redis.call('HSET', key, 'started_at', iso(time), 'claimed_at', string.format('%.6f', time),
    'worker_name', worker, 'batch_cost', batch_cost)
  local attempts = redis.call('HINCRBY', key, 'attempts', 1)
  tell(id, 'running', attempts)
  notify(id, 'running', time)
  if attempts == 1 then observe('queue_wait_seconds', SECONDS_BUCKETS, seconds_since(id, 'submitted_at', time)) end
end

-- By a claim whose answer was lost: the client of Redis sends it again.
local function taken_before()
  local ids, scores = {}, {}
  for _, execution in ipairs(redis.call('HKEYS', HOLDERS)) do
    local id = job_of(execution)
    if execution == id .. ':' .. execution_id and job_exists(id) then
      ids[#ids + 1] = id
      scores[id] = tonumber(redis.call('HGET', job_key(id), 'score'))
    end
  end
  table.sort(ids, function(one, other)
    if scores[one] == scores[other] then return one < other end
    return scores[one] < scores[other]
  end)
  return ids
end

local function claims_of(ids)
  local claims = {}
  for index, id in ipairs(ids) do
    local waited = string.format('%.6f', seconds_since(id, 'submitted_at', time))
    local job = redis.call('HMGET', job_key(id), 'owner', 'traceparent', 'tracestate', 'attempts', 'data', 'parameters',
      'exclusive')
    local seconds, too_long = time_limit(id)
    claims[index] = { id, execution_id, job[1] or '', job[2] or '', job[3] or '', job[4], waited, job[5], job[6], seconds,
      too_long, job[7] or '' }
  end
  return claims
end

local before = taken_before()
if before[1] then return claims_of(before) end
local leader = take_leader()
if not leader then return {} end
local ids = take_followers(leader)
promote()
show_worker(worker, 'state', 'busy')
local batch_cost = 0
for _, id in ipairs(ids) do batch_cost = batch_cost + tonumber(redis.call('HGET', job_key(id), 'cost') or 0) end
for _, id in ipairs(ids) do lease(id, batch_cost) end
return claims_of(ids)
