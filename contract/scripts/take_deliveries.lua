-- Leases deliveries that are due to a process that will try them. A receiver has no more than its share of a process, so
-- that a slow one leaves room for the others.
-- ARGV: how many at most, how many of one receiver, then for each receiver that the process is calling: its host and how
-- many tries are under way.
-- Returns the time, and for each delivery: host, job id, event, lease, owner, when the owner's secrets were rotated, the record.
local most, share = tonumber(ARGV[1]), tonumber(ARGV[2])
local under_way, calling = {}, 0
for index = 3, #ARGV, 2 do
  under_way[ARGV[index]] = tonumber(ARGV[index + 1])
  calling = calling + 1
end
local time = now()
local lease = string.format('%.6f', time + DELIVERY_LEASE_SECONDS)
local taken = {}

local function take(host, delivery)
  local id, event = string.match(delivery, '^(.*):(.*)$')
  -- A tool may have deleted the job.
  if not job_exists(id) then return set_due(host, delivery, nil) end
  set_due(host, delivery, tonumber(lease))
  redis.call('HSET', job_key(id), 'lease:' .. event, lease)
  local owner = owner_of(id)
  local rotations = redis.call('LRANGE', WEBHOOK_SECRETS_PREFIX .. owner, 0, -1)
  taken[#taken + 1] = { host, id, event, lease, owner, rotations, record(id, owner) }
end

-- Beside those that are free, as many may be due as have their share already.
for _, host in ipairs(redis.call('ZRANGEBYSCORE', RECEIVERS, '-inf', time, 'LIMIT', 0, most + calling)) do
  local room = math.max(math.min(share - (under_way[host] or 0), most - #taken), 0)
  for _, delivery in ipairs(redis.call('ZRANGEBYSCORE', DELIVERIES_PREFIX .. host, '-inf', time, 'LIMIT', 0, room)) do
    take(host, delivery)
  end
end
return { string.format('%.6f', time), taken }
