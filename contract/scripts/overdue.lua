-- Fails the queued jobs whose deadline is over.
-- Returns their ids.
local time = now()
local failed = overdue(time, 1000)
fail_overdue(failed, time)
return failed
