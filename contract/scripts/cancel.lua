-- Cancels a queued job at once, asks the worker of a running one to stop, and leaves an ended one as it is.
-- ARGV: job id, owner. Returns the record, `gone`, or nil.
local id, owner = ARGV[1], ARGV[2]
if owner_of(id) == owner then cancel({ id }, owner) end
return record(id, owner)
