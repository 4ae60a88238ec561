-- ARGV: grid id, owner; without an owner it is anybody's. Returns the grid with all of its cells, `gone`, or nil.
return grid_record(ARGV[1], ARGV[2], CELL_FIELDS)
