-- Jobs of an owner, newest first.
-- ARGV: owner, the number in the owner's sequence before which to look, how many at most, the filter as JSON: RQ statuses,
-- a model, pairs of a label's name and value, each if asked for.
-- Returns the number to go on before, nil at the end, and for each job: id, record. Fewer than asked for where many do
-- not match: the rest is found by going on.
local owner, before, limit, filter = ARGV[1], ARGV[2], tonumber(ARGV[3]), cjson.decode(ARGV[4])
local filtered = next(filter) ~= nil

local function contains(list, value)
  for _, each in ipairs(list) do if each == value then return true end end
  return false
end

local function matches(id)
  local job = redis.call('HMGET', job_key(id), 'status', 'model', 'labels')
  if filter.statuses and not contains(filter.statuses, job[1]) then return false end
  if filter.model and filter.model ~= job[2] then return false end
  if filter.labels then
    local labels = cjson.decode(job[3] or '{}')
    for _, pair in ipairs(filter.labels) do
      if labels[pair[1]] ~= pair[2] then return false end
    end
  end
  return true
end

local scanned = filtered and SCAN_JOBS or limit
local found = redis.call('ZREVRANGEBYSCORE', JOBS_PREFIX .. owner, before, '-inf', 'WITHSCORES', 'LIMIT', 0, scanned + 1)
local jobs, looked_at = {}, 0
while looked_at < #found / 2 and looked_at < scanned and #jobs < limit do
  local id = found[2 * looked_at + 1]
  looked_at = looked_at + 1
  if not job_exists(id) then
    redis.call('ZREM', JOBS_PREFIX .. owner, id)
  elseif not filtered or matches(id) then
    jobs[#jobs + 1] = { id, record(id, owner) }
  end
end
return { looked_at < #found / 2 and found[2 * looked_at], jobs }
