-- Grids of an owner, newest first, each with the states of its cells.
-- ARGV: owner, the number in the owner's sequence before which to look, how many at most.
-- Returns the number to go on before, nil at the end, and for each grid: id, grid. Fewer than asked for where they have
-- very many cells: the rest is found by going on.
local owner, before, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local found = redis.call('ZREVRANGEBYSCORE', GRIDS_PREFIX .. owner, before, '-inf', 'WITHSCORES', 'LIMIT', 0, limit + 1)
local grids, looked_at, cells = {}, 0, 0
while looked_at < math.min(#found / 2, limit) and cells < SCAN_CELLS do
  local id = found[2 * looked_at + 1]
  local grid = grid_record(id, owner, CELL_STATE_FIELDS)
  looked_at = looked_at + 1
  if type(grid) == 'table' then
    grids[#grids + 1] = { id, grid }
    cells = cells + #grid[4]
  end
end
return { looked_at < #found / 2 and found[2 * looked_at], grids }
