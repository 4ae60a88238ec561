-- ARGV: job id. Returns the record, nil where there is none.
return record(ARGV[1])
