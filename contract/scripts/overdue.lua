-- Fails the queued jobs whose deadline is over, and moves up in line what has yet to.
-- Returns the ids of those that failed.
local time = now()
local failed = overdue(time, LATE_AT_ONCE)
fail_overdue(failed, time)
local owners = redis.call('HRANDFIELD', GAPS, OWNERS_OF_A_CHORE)
for _, owner in ipairs(owners) do move_up(owner, math.floor(MOVES_OF_A_CHORE / #owners)) end
promote()
return failed
