-- What every script may use. Times are Redis' own, in seconds; job fields hold them as RFC 3339 in UTC.

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1e6
end

-- Days to a civil date: Howard Hinnant, "chrono-compatible low-level date algorithms".
local function iso(time)
  local days = math.floor(time / 86400)
  local seconds = time - days * 86400
  local shifted = days + 719468
  local era = math.floor(shifted / 146097)
  local day_of_era = shifted - era * 146097
  local year_of_era = math.floor((day_of_era - math.floor(day_of_era / 1460) + math.floor(day_of_era / 36524)
    - math.floor(day_of_era / 146096)) / 365)
  local day_of_year = day_of_era - (365 * year_of_era + math.floor(year_of_era / 4) - math.floor(year_of_era / 100))
  local shifted_month = math.floor((5 * day_of_year + 2) / 153)
  local day = day_of_year - math.floor((153 * shifted_month + 2) / 5) + 1
  local month = shifted_month < 10 and shifted_month + 3 or shifted_month - 9
  local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
  local whole = math.floor(seconds)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', year, month, day, math.floor(whole / 3600),
    math.floor(whole / 60) % 60, whole % 60, math.floor((seconds - whole) * 1e6))
end

local function job_key(id)
  return JOB_PREFIX .. id
end

local function job_of(execution)
  return string.match(execution, '^(.*):')
end

-- Written before there were owners, or by a tool: such a job is nobody's.
local function owner_of(id)
  return redis.call('HGET', job_key(id), 'owner') or ''
end

local function count(metric, ...)
  redis.call('HINCRBY', COUNTERS, table.concat({ metric, ... }, '|'), 1)
end

-- Into a histogram: each value counts in its own bucket alone, and is added up by whoever reads.
local function observe(metric, buckets, value)
  local bucket = '+Inf'
  for _, bound in ipairs(buckets) do
    if value <= tonumber(bound) then
      bucket = bound
      break
    end
  end
  count(metric, bucket)
  redis.call('HINCRBYFLOAT', COUNTERS, metric .. '|sum', string.format('%.6f', value))
end

-- Of a job; 0 where a tool wrote its record.
local function seconds_since(id, field, time)
  return math.max(time - (redis.call('HGET', job_key(id), field) or time), 0)
end

-- RQ's list holds at most the head of the line, which is what workers block on.
local function promote()
  local first = redis.call('ZRANGE', WAITING, 0, 0, 'WITHSCORES')
  if not first[1] then return end
  local head = redis.call('LINDEX', QUEUE, 0)
  if head then
    local score = tonumber(redis.call('HGET', job_key(head), 'score') or 0)
    if score < tonumber(first[2]) or (score == tonumber(first[2]) and head < first[1]) then return end
    redis.call('LREM', QUEUE, 0, head)
    redis.call('ZADD', WAITING, score, head)
  end
  redis.call('ZREM', WAITING, first[1])
  redis.call('RPUSH', QUEUE, first[1])
end

-- Nil where the job is drawn by itself.
local function batch_key_of(id)
  local key = redis.call('HGET', job_key(id), 'batch_key')
  return key and key ~= '' and key or nil
end

local function enter_line(id, owner, score)
  local batch_key = batch_key_of(id)
  redis.call('ZADD', WAITING, score, id)
  redis.call('ZADD', LINE_PREFIX .. owner, score, id)
  if batch_key then redis.call('ZADD', BATCH_PREFIX .. batch_key, score, id) end
  redis.call('SADD', OWNERS, owner)
  promote()
end

-- From wherever it stands; the caller promotes.
local function leave_line(id)
  redis.call('ZREM', WAITING, id)
  redis.call('LREM', QUEUE, 0, id)
  local owner, batch_key = owner_of(id), batch_key_of(id)
  if batch_key then redis.call('ZREM', BATCH_PREFIX .. batch_key, id) end
  -- Where a tool deleted the job's hash, nobody knows whose it was.
  for _, owner in ipairs(owner == '' and redis.call('SMEMBERS', OWNERS) or { owner }) do
    redis.call('ZREM', LINE_PREFIX .. owner, id)
    if redis.call('EXISTS', LINE_PREFIX .. owner) == 0 then redis.call('SREM', OWNERS, owner) end
  end
end

local function virtual_time()
  return tonumber(redis.call('GET', VIRTUAL_TIME) or 0)
end

-- Where the turns of an owner that are over end: jobs that were claimed behind a leader had theirs ahead of time.
local function turns_end(owner)
  return math.max(virtual_time(), tonumber(redis.call('HGET', CLAIMED, owner) or 0))
end

-- A job of an owner left the line without a turn: those behind that score are to move up.
local function leave_gap(owner, score)
  score = math.min(score, tonumber(redis.call('HGET', GAPS, owner) or score))
  redis.call('HSET', GAPS, owner, string.format('%.0f', score))
end

-- Moves the next jobs of an owner behind its gap up, as if those that left had never been there, but into no turn that has
-- passed. Later ones keep their scores, and their order, until it is called again. The caller promotes.
local function move_up(owner, most)
  local gap, line, passed = redis.call('HGET', GAPS, owner), LINE_PREFIX .. owner, turns_end(owner)
  if not gap then return end
  local before = redis.call('ZREVRANGEBYSCORE', line, gap, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local previous = tonumber(before[2] or passed)
  local queued = redis.call('ZRANGEBYSCORE', line, '(' .. gap, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  for index = 1, #queued, 2 do
    local id, score = queued[index], tonumber(queued[index + 1])
    local cost, batch_key = redis.call('HGET', job_key(id), 'cost'), batch_key_of(id)
    previous = math.min(score, math.max(passed, previous) + (cost or 0))
    if cost and previous < score then
      redis.call('ZADD', line, previous, id)
      redis.call('ZADD', WAITING, 'XX', previous, id)
      if batch_key then redis.call('ZADD', BATCH_PREFIX .. batch_key, previous, id) end
      redis.call('HSET', job_key(id), 'score', string.format('%.0f', previous))
    end
  end
  if #queued < 2 * most then
    redis.call('HDEL', GAPS, owner)
  else
    redis.call('HSET', GAPS, owner, queued[#queued])
  end
end

local function queue_length()
  return redis.call('ZCARD', WAITING) + redis.call('LLEN', QUEUE)
end

local function queue_position(id)
  local rank = redis.call('ZRANK', WAITING, id)
  if not rank then return 1 end
  return rank + 1 + redis.call('LLEN', QUEUE)
end

-- Seconds of a worker for each unit of cost; nil while nothing has been measured.
local function pace()
  local measured = redis.call('HMGET', PACE, 'seconds', 'cost')
  if not measured[2] then return nil end
  return tonumber(measured[1]) / tonumber(measured[2])
end

local function ready_workers(time)
  local count, told = 0, redis.call('HVALS', WORKERS)
  for _, text in ipairs(told) do
    local seen = tonumber(string.match(text, '^[%d.]+'))
    if time - seen <= WORKER_SILENT_SECONDS and string.find(text, '"state":"ready"', 1, true) then count = count + 1 end
  end
  return count
end

-- What part a running job is of those that were claimed together, by their cost.
local function share_of_batch(id)
  local cost, of_all = unpack(redis.call('HMGET', job_key(id), 'cost', 'batch_cost'))
  return cost and of_all and cost / of_all or 1
end

-- Of a running job: as its steps went so far; before the first one, as jobs of the cost of its batch went. Nil where nobody
-- can tell.
local function seconds_left(id, time)
  local job = redis.call('HMGET', job_key(id), 'claimed_at', 'step', 'total', 'cost', 'batch_cost')
  if not job[1] then return 0 end
  local gone, step, seconds_per_cost = math.max(time - tonumber(job[1]), 0), tonumber(job[2] or 0), pace()
  if step > 0 then return gone * (tonumber(job[3]) - step) / step end
  return seconds_per_cost and math.max(tonumber(job[5] or job[4]) * seconds_per_cost - gone, 0)
end

local function job_at(position)
  local heads = redis.call('LLEN', QUEUE)
  if position <= heads then return redis.call('LINDEX', QUEUE, position - 1) end
  return redis.call('ZRANGE', WAITING, position - heads - 1, position - heads - 1)[1]
end

-- As if the jobs before this one cost what some of them do, from evenly spaced places.
local function sampled_cost_until(id)
  local cost, position = 0, queue_position(id)
  local looked_at = math.min(position, SAMPLED_JOBS)
  for index = 1, looked_at do
    local other = job_at(math.floor(index * position / looked_at))
    cost = cost + (other and redis.call('HGET', job_key(other), 'cost') or 0)
  end
  return cost * position / looked_at
end

-- The cost of every job whose turn comes before this one's, its own included. In an unbroken line of one owner two scores
-- differ by the cost of the jobs between them, so that two jobs of each owner are enough to look at. What was claimed out of
-- the middle of a line counts until those before it are claimed, too.
local function cost_until(id, score)
  if redis.call('SCARD', OWNERS) > OWNERS_LOOKED_AT then return sampled_cost_until(id) end
  local cost = 0
  for _, owner in ipairs(redis.call('SMEMBERS', OWNERS)) do
    local line = LINE_PREFIX .. owner
    local last = redis.call('ZREVRANGEBYSCORE', line, score, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if last[2] == score and last[1] > id then
      last = redis.call('ZREVRANGEBYSCORE', line, '(' .. score, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
    end
    if last[1] then
      local first = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
      cost = cost + last[2] - first[2] + tonumber(redis.call('HGET', job_key(first[1]), 'cost') or 0)
    end
  end
  return cost
end

-- Seconds until the workers have come to the end of that much work in line; nil where nobody can tell.
local function seconds_until_done(cost, time)
  local seconds_per_cost, workers = pace(), ready_workers(time)
  if not seconds_per_cost or workers == 0 then return nil end
  local seconds = cost * seconds_per_cost
  for _, execution in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do
    local running = job_of(execution)
    seconds = seconds + seconds_left(running, time) * share_of_batch(running)
  end
  return seconds / workers
end

local function eta(id, owner, status)
  local time, seconds = now(), nil
  if status == 'queued' then
    local score = redis.call('ZSCORE', LINE_PREFIX .. owner, id)  -- none where a tool called the job queued
    seconds = score and seconds_until_done(cost_until(id, score), time)
  elseif status == 'started' then
    seconds = seconds_left(id, time)
  end
  return seconds and string.format('%.3f', seconds)
end

-- The values of FIELDS, then the queue position and the seconds to its end; `gone` where there was such a job.
-- False where there never was one, and where it is another owner's.
local function record(id, owner)
  if owner_of(id) ~= owner then
    return redis.call('GET', TOMBSTONE_PREFIX .. id) == owner and 'gone'
  end
  local values = redis.call('HMGET', job_key(id), unpack(FIELDS))
  values[#FIELDS + 1] = values[1] == 'queued' and queue_position(id)
  values[#FIELDS + 2] = eta(id, owner, values[1]) or false
  return values
end

-- Something happened to a job. Numbers grow by one, so that a listener knows what it missed.
local function note(id, type, data)
  local number = redis.call('HINCRBY', job_key(id), 'events', 1)
  redis.call('XADD', EVENTS_PREFIX .. id, number .. '-0', 'type', type, 'data', data)
  return number
end

local function tell(id, type, data)
  local number = note(id, type, data)
  redis.call('PUBLISH', EVENTS, id .. ' ' .. number .. ' ' .. type .. ' ' .. data)
end

-- When a delivery is due; nil where it is no more. Its receiver is due when the first of its deliveries is.
local function set_due(receiver, delivery, time)
  local deliveries = DELIVERIES_PREFIX .. receiver
  if time then
    redis.call('ZADD', deliveries, string.format('%.6f', time), delivery)
  else
    redis.call('ZREM', deliveries, delivery)
  end
  local first = redis.call('ZRANGE', deliveries, 0, 0, 'WITHSCORES')
  if first[1] then
    redis.call('ZADD', RECEIVERS, first[2], receiver)
  else
    redis.call('ZREM', RECEIVERS, receiver)
  end
end

-- A host as one owner calls it: what it is slow with for one holds up nothing for another. Nil without a webhook.
local function receiver_of(id)
  local host = redis.call('HGET', job_key(id), 'webhook_host')
  return host and owner_of(id) .. ' ' .. host
end

-- What a job's webhook is to tell is put down in the same step as the change itself: no crash comes between. Each event
-- once: a job that is taken again, because its first worker died, was running before.
local function notify(id, status, time)
  local receiver, event = receiver_of(id), 'job.' .. status
  if not receiver then return end
  local wanted = false
  for _, each in ipairs(cjson.decode(redis.call('HGET', job_key(id), 'webhook')).events) do
    wanted = wanted or each == event
  end
  if not wanted then return end
  local stopped = redis.call('HEXISTS', job_key(id), 'webhook_stopped') == 1
  -- No empty list of attempts: for cjson that is an object.
  local delivery = { id = 'msg_' .. id .. '_' .. status, event = event, created_at = iso(time),
    state = stopped and 'stopped' or 'pending', next_attempt_at = not stopped and iso(time) or nil }
  if redis.call('HSETNX', job_key(id), 'delivery:' .. event, cjson.encode(delivery)) == 1 and not stopped then
    set_due(receiver, id .. ':' .. event, time)
  end
end

-- Calls a function with the event and what is known of it, for each of a job's deliveries.
local function each_delivery(id, call)
  for _, event in ipairs(WEBHOOK_EVENTS) do
    local delivery = redis.call('HGET', job_key(id), 'delivery:' .. event)
    if delivery then call(event, cjson.decode(delivery)) end
  end
end

-- The one way into a status that a job never leaves.
local function end_job(id, status, time)
  local key = job_key(id)
  local expiry = time + tonumber(redis.call('HGET', key, 'result_ttl') or 0)
  redis.call('HSET', key, 'status', status, 'ended_at', iso(time), 'expires_at', iso(expiry))
  redis.call('ZADD', REGISTRIES[status], expiry, id)
  redis.call('ZADD', EXPIRING, expiry, id)
  redis.call('ZREM', DEADLINES, id)
  local model, code = unpack(redis.call('HMGET', key, 'model', 'error_code'))
  count('jobs_ended', STATUSES[status], model or '')
  if status == 'failed' then count('job_failures', code or 'worker_crashed') end
  tell(id, STATUSES[status], '')
  notify(id, STATUSES[status], time)
  redis.call('EXPIRE', EVENTS_PREFIX .. id, EVENTS_SECONDS)
end

local function fail(id, code, detail, time)
  redis.call('HSET', job_key(id), 'error_code', code, 'error_detail', detail)
  end_job(id, 'failed', time)
end

local function too_late(id)
  return 'The job was not done within ' .. redis.call('HGET', job_key(id), 'deadline_seconds')
    .. ' seconds of its submission.'
end

-- Jobs in line whose deadline is over. A running one is its worker's to end.
local function overdue(time, most)
  local ids = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', time, 'LIMIT', 0, most)) do
    local status = redis.call('HGET', job_key(id), 'status')
    if status == 'queued' then
      ids[#ids + 1] = id
    elseif status ~= 'started' then
      redis.call('ZREM', DEADLINES, id)
    end
  end
  return ids
end

-- Out of the line without a turn; those behind it move up once the caller has them.
local function drop_out(id, owner)
  local score = redis.call('ZSCORE', LINE_PREFIX .. owner, id)
  leave_line(id)
  if score then leave_gap(owner, tonumber(score)) end
end

local function fail_overdue(ids, time)
  local owners = {}
  for _, id in ipairs(ids) do
    local owner = owner_of(id)
    drop_out(id, owner)
    fail(id, 'deadline_exceeded', too_late(id), time)
    owners[owner] = true
  end
  for owner in pairs(owners) do move_up(owner, MOVES_AT_ONCE) end
  promote()
end

-- Of one owner: those in line end at once, those that run at their next step, those that have ended stay as they are.
local function cancel(ids, owner)
  local time, left_line = now(), false
  for _, id in ipairs(ids) do
    local status = redis.call('HGET', job_key(id), 'status')
    if status == 'queued' then
      drop_out(id, owner)
      end_job(id, 'canceled', time)
      left_line = true
    elseif status == 'started' then
      redis.call('HSET', job_key(id), 'cancel_requested', '1')
    end
  end
  if left_line then
    move_up(owner, MOVES_AT_ONCE)
    promote()
  end
end

-- A tool may have deleted the hash of a job that is in line or running.
local function job_exists(id)
  return redis.call('EXISTS', job_key(id)) == 1
end

-- RQ's own record of a worker, for its tools; a worker that is gone has none.
local function show_worker(worker, field, value)
  local key = WORKER_PREFIX .. worker
  if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, field, value)
    redis.call('EXPIRE', key, WORKER_TTL_SECONDS)
  end
end

-- Ends a lease. Returns whether it was still held.
local function let_go(execution)
  if redis.call('ZREM', LEASES, execution) == 0 then return false end
  redis.call('ZREM', STARTED, execution)
  local worker = redis.call('HGET', HOLDERS, execution) or ''
  redis.call('HDEL', HOLDERS, execution)
  local idle = true
  for _, holder in ipairs(redis.call('HVALS', HOLDERS)) do idle = idle and holder ~= worker end
  if idle then show_worker(worker, 'state', 'idle') end
  return true
end

local function jobs_of_grid(id)
  local ids = {}
  for job in string.gmatch(redis.call('HGET', GRID_PREFIX .. id, 'jobs') or '', '%S+') do ids[#ids + 1] = job end
  return ids
end

local function any_job_exists(ids)
  for _, id in ipairs(ids) do
    if job_exists(id) then return true end
  end
  return false
end

local function forget_grid(id, owner, tombstone_seconds)
  redis.call('DEL', GRID_PREFIX .. id)
  redis.call('ZREM', GRIDS_PREFIX .. owner, id)
  if tombstone_seconds > 0 then redis.call('SET', GRID_TOMBSTONE_PREFIX .. id, owner, 'EX', tombstone_seconds) end
end

-- Until the last job of a grid has ended; an owner's jobs take their turns in order. Nil where nobody can tell.
local function grid_eta(cells, owner)
  local last_in_line, seconds
  for _, cell in ipairs(cells) do
    if cell[2] == 'queued' then last_in_line = cell[1] end
  end
  if last_in_line then return eta(last_in_line, owner, 'queued') end
  for _, cell in ipairs(cells) do
    if cell[2] == 'started' then
      local left = eta(cell[1], owner, 'started')
      if not left then return nil end
      seconds = math.max(seconds or 0, tonumber(left))
    end
  end
  return seconds and string.format('%.3f', seconds)
end

-- When it was made, its shape, the seconds to its end, and for each cell: the job's id, then the values of the fields, of
-- which the first is the status; all are false where the job is no longer kept. `gone` where there was such a grid. Nil
-- where there never was one, and where it is another owner's; without an owner it is anybody's.
local function grid_record(id, owner, fields)
  local its_owner, created, shape = unpack(redis.call('HMGET', GRID_PREFIX .. id, 'owner', 'created_at', 'shape'))
  local ids = jobs_of_grid(id)
  if its_owner and not any_job_exists(ids) then  -- a tool deleted them
    forget_grid(id, its_owner, 0)
    its_owner = false
  end
  if not its_owner or (owner and owner ~= its_owner) then
    local former = redis.call('GET', GRID_TOMBSTONE_PREFIX .. id)
    return former and (former == owner or not owner) and 'gone' or nil
  end
  local cells = {}
  for index, job in ipairs(ids) do cells[index] = { job, unpack(redis.call('HMGET', job_key(job), unpack(fields))) } end
  return { created, shape, grid_eta(cells, its_owner) or false, cells }
end
