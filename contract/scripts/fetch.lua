-- ARGV: job id, owner. Returns the record, `gone`, or nil.
return record(ARGV[1], ARGV[2])
