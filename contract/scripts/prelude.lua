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

-- RQ's list holds at most the head of the line, which is what workers block on.
local function promote()
  local first = redis.call('ZRANGE', WAITING, 0, 0, 'WITHSCORES')
  if not first[1] then return end
  local head = redis.call('LINDEX', QUEUE, 0)
  if head then
    local score = tonumber(redis.call('HGET', job_key(head), 'score') or 0)
    if score <= tonumber(first[2]) then return end
    redis.call('LREM', QUEUE, 0, head)
    redis.call('ZADD', WAITING, score, head)
  end
  redis.call('ZREM', WAITING, first[1])
  redis.call('RPUSH', QUEUE, first[1])
end

local function queue_position(id, status)
  if status ~= 'queued' then return false end
  local rank = redis.call('ZRANK', WAITING, id)
  if not rank then return 1 end
  return rank + 1 + redis.call('LLEN', QUEUE)
end

-- The values of FIELDS, then the queue position; false where there is no such job.
local function record(id)
  local values = redis.call('HMGET', job_key(id), unpack(FIELDS))
  if not values[1] then return false end
  values[#FIELDS + 1] = queue_position(id, values[1])
  return values
end

-- The one way into a status that a job never leaves.
local function end_job(id, status, time)
  local key = job_key(id)
  local expiry = time + tonumber(redis.call('HGET', key, 'result_ttl'))
  redis.call('HSET', key, 'status', status, 'ended_at', iso(time), 'expires_at', iso(expiry))
  redis.call('ZADD', REGISTRIES[status], expiry, id)
  redis.call('ZADD', EXPIRING, expiry, id)
  redis.call('PUBLISH', ENDED, id)
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
  show_worker(redis.call('HGET', HOLDERS, execution) or '', 'state', 'idle')
  redis.call('HDEL', HOLDERS, execution)
  return true
end

local function job_of(execution)
  return string.match(execution, '^(.*):')
end
