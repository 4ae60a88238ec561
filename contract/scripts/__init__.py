"""The atomic moves of a job, one Lua file each. Whatever a script does, it does entirely or not at all.

Each runs behind prelude.lua and the constants of keys.py and job.py, so that a name is written once.
The scripts name their keys themselves: Darkroom promises one Redis, not a cluster.
"""

import json
from importlib.resources import files

from contract import keys
from contract.grid import CELL_FIELDS, CELL_STATE_FIELDS
from contract.job import FIELDS, FROM_RQ, RQ_DATA
from contract.webhook import WEBHOOK_EVENTS

_Constant = str | int | float | dict[str, str] | tuple[str, ...]

_CONSTANTS: dict[str, _Constant] = {
    **{name: value for name, value in vars(keys).items() if name.isupper()},
    "FIELDS": FIELDS,
    "CELL_FIELDS": CELL_FIELDS,
    "CELL_STATE_FIELDS": CELL_STATE_FIELDS,
    "RQ_DATA": RQ_DATA,
    "WEBHOOK_EVENTS": WEBHOOK_EVENTS,
    "STATUSES": {name: status.value for name, status in FROM_RQ.items()},
}


def _lua(value: _Constant) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{json.dumps(key)}] = {json.dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "{" + ", ".join(json.dumps(item) for item in value) + "}"
    return json.dumps(value)


def _source(name: str) -> str:
    folder = files("contract.scripts")
    constants = "\n".join(f"local {key} = {_lua(value)}" for key, value in _CONSTANTS.items())
    return "\n".join(
        [constants, folder.joinpath("prelude.lua").read_text(), folder.joinpath(f"{name}.lua").read_text()]
    )


SUBMIT = _source("submit")
FETCH = _source("fetch")
CANCEL = _source("cancel")
CLAIM = _source("claim")
BEAT = _source("beat")
FINISH = _source("finish")
REAP = _source("reap")
REMOVE = _source("remove")
HISTORY = _source("history")
LIST = _source("list")
OVERDUE = _source("overdue")
GRID = _source("grid")
CANCEL_GRID = _source("cancel_grid")
LIST_GRIDS = _source("list_grids")
METRICS = _source("metrics")
TAKE_DELIVERIES = _source("take_deliveries")
SETTLE_DELIVERY = _source("settle_delivery")
REDELIVER = _source("redeliver")
