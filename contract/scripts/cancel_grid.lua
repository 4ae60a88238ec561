-- Cancels every job of a grid that has not ended.
-- ARGV: grid id, owner. Returns the grid with all of its cells, `gone`, or nil.
local id, owner = ARGV[1], ARGV[2]
if redis.call('HGET', GRID_PREFIX .. id, 'owner') == owner then cancel(jobs_of_grid(id), owner) end
return grid_record(id, owner, CELL_FIELDS)
