"""Every key in Redis, the queue's name, and the numbers that the scripts share.

`rq:` keys are RQ's own, read by its tools; `darkroom:` keys are ours. Knows nothing of who uses them.
"""

QUEUE_NAME = "darkroom"

JOB_PREFIX = "rq:job:"
QUEUE = f"rq:queue:{QUEUE_NAME}"
QUEUES = "rq:queues"
WORKER_PREFIX = "rq:worker:"
STARTED = f"rq:wip:{QUEUE_NAME}"
REGISTRIES = {
    "finished": f"rq:finished:{QUEUE_NAME}",
    "failed": f"rq:failed:{QUEUE_NAME}",
    "canceled": f"rq:canceled:{QUEUE_NAME}",
}

WAITING = "darkroom:waiting"
"""Sorted set of the queued jobs behind the one in QUEUE; the score is the place in line."""
SEQUENCE = "darkroom:sequence"
LEASES = "darkroom:leases"
"""Sorted set of `<job id>:<execution id>`; the score is when the lease ends, in Redis time."""
EXPIRING = "darkroom:expiring"
"""Sorted set of the ended jobs; the score is when they are removed, in Redis time."""
WORKERS = "darkroom:workers"
"""Hash of worker name -> `<seen at, Redis time> <WorkerState as JSON>`."""
REAPER = "darkroom:reaper"
"""Hash with `seen`, the last pass of any reaper, and `grace`, until when expired leases are left alone."""
HOUSEKEEPING = "darkroom:housekeeping"
ENDED = "darkroom:ended"
"""Channel on which the id of every job that ends is published."""
HOLDERS = "darkroom:holders"
"""Hash of `<job id>:<execution id>` -> name of the worker that holds the lease."""

LEASE_SECONDS = 6
WORKER_TTL_SECONDS = 120
"""RQ's record of a worker goes this long after its last beat."""
MAX_CRASHES = 3
"""A job that took this many workers with it fails as worker_crashed."""
REAPER_GAP_SECONDS = 5
"""Nobody could renew a lease while nobody reaped: after such a gap expired leases get one lease of grace."""
