-- Leases deliveries that are due to a process that will try them. A receiver has no more than its share of a process, so
-- that a slow one leaves room for the others.
-- ARGV: how many at most, how many of one receiver, then for each receiver that the process is calling: its name and how
-- many tries are under way.
-- Returns the time, and for each delivery: receiver, job id, event, lease, owner, when the owner's secrets were rotated, the
-- record.
local most, share = tonumber(ARGV[1]), tonumber(ARGV[2])
local under_way, calling = {}, 0
for index = 3, #ARGV, 2 do
  under_way[ARGV[index]] = tonumber(ARGV[index + 1])
  calling = calling + 1
end
local time = now()
local lease = string.format('%.6f', time + DELIVERY_LEASE_SECONDS)
local taken = {}

local function take(receiver, delivery)
  local id, event = string.match(delivery, '^(.*):(.*)$')
  -- A tool may have deleted the job.
  if not job_exists(id) then return set_due(receiver, delivery, nil) end
  set_due(receiver, delivery, tonumber(lease))
  redis.call('HSET', job_key(id), 'lease:' .. event, lease)
  local owner = owner_of(id)
  local rotations = redis.call('LRANGE', WEBHOOK_SECRETS_PREFIX .. owner, 0, -1)
  taken[#taken + 1] = { receiver, id, event, lease, owner, rotations, record(id, owner) }
end

-- Beside those that are free, as many may be due as have their share already.
for _, receiver in ipairs(redis.call('ZRANGEBYSCORE', RECEIVERS, '-inf', time, 'LIMIT', 0, most + calling)) do
  local room = math.max(math.min(share - (under_way[receiver] or 0), most - #taken), 0)
  for _, delivery in ipairs(redis.call('ZRANGEBYSCORE', DELIVERIES_PREFIX .. receiver, '-inf', time, 'LIMIT', 0, room)) do
    take(receiver, delivery)
  end
end
return { string.format('%.6f', time), taken }
