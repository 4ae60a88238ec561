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
"""Sorted set of the queued jobs behind the one in QUEUE; the score is when its turn comes, in virtual time."""
BATCH_PREFIX = "darkroom:batch:"
"""Of each batch key: sorted set of the queued jobs that have it, with the scores of WAITING."""
VIRTUAL_TIME = "darkroom:virtual_time"
"""The highest score that ever led a claim. See docs/decisions/0019-fair-turns.md."""
CLAIMED = "darkroom:claimed"
"""Hash of owner -> the highest score of its jobs that was claimed, where virtual time had not come to it by then."""
LINE_PREFIX = "darkroom:line:"
"""Of each owner: sorted set of its queued jobs, with the scores of WAITING."""
GAPS = "darkroom:gaps"
"""Hash of owner -> the score behind which its queued jobs have yet to move up."""
OWNERS = "darkroom:owners"
"""Set of the owners that have a queued job."""
SEQUENCES = "darkroom:sequences"
"""Hash of owner -> the number of its last job. A list's cursor shows it: it must tell nothing of other owners."""
JOBS_PREFIX = "darkroom:jobs:"
"""Of each owner: sorted set of all its jobs; the score is the number that SEQUENCES gave the job."""
GRID_PREFIX = "darkroom:grid:"
"""Of each grid that has a job: hash with its owner, when it was made, its shape as JSON and the ids of its jobs."""
GRIDS_PREFIX = "darkroom:grids:"
"""Of each owner: sorted set of its grids; the score is the number that SEQUENCES gave the first job of the grid."""
GRID_TOMBSTONE_PREFIX = "darkroom:expired_grid:"
"""Of each grid whose last job was removed by its age: its owner, for a while."""
RATE_PREFIX = "darkroom:rate:"
"""Of each owner: when its allowance of submits is whole again, in Redis time."""
IDEMPOTENCY_PREFIX = "darkroom:idempotency:"
"""Of each `<owner>:<hash of the key>`: `<fingerprint of the request> <job id, or grid id>`."""
DEADLINES = "darkroom:deadlines"
"""Sorted set of the jobs that have not ended; the score is their deadline, in Redis time."""
PACE = "darkroom:pace"
"""Hash with `seconds` of workers and the `cost` of jobs that they went into, the last jobs weighing most."""
LEASES = "darkroom:leases"
"""Sorted set of `<job id>:<execution id>`; the score is when the lease ends, in Redis time."""
EXPIRING = "darkroom:expiring"
"""Sorted set of the ended jobs; the score is when they are removed, in Redis time."""
TOMBSTONE_PREFIX = "darkroom:expired:"
"""Of each job that was removed by its age: its owner, for a while."""
STORED_BYTES = "darkroom:stored_bytes"
"""The pictures of all jobs that have a record, in bytes; each job's own share is in its hash under the same name."""
STORE_MARK = "darkroom:store_mark"
"""Random, and in the image store as well: its images are of this Redis's jobs."""
ROOM_WANTED = "darkroom:room_wanted"
"""Bytes that a worker has no room for within the limit of the store; gone once there is."""
WORKERS = "darkroom:workers"
"""Hash of worker name -> `<seen at, Redis time> <WorkerState as JSON>`."""
REAPER = "darkroom:reaper"
"""Hash with `seen`, the last pass of any reaper, and `grace`, until when expired leases are left alone."""
HOUSEKEEPING = "darkroom:housekeeping"
"""With the name of a chore behind it: the lock of the service process that does it."""
EVENTS_PREFIX = "darkroom:events:"
"""Of each job: stream of what happened to it, entry `<number>-0` with the fields `type` and `data`."""
EVENTS = "darkroom:events"
"""Channel on which every entry of those streams is published: `<job id> <number> <type> <data>`."""
PREVIEW_PREFIX = "darkroom:preview:"
"""Of each job that somebody wants to see while it runs: a flag that expires unless renewed."""
PREVIEWS = "darkroom:previews"
"""Channel of previews: `<job id> <JSON with step, total and image, a data URL>`."""
RECEIVERS = "darkroom:receivers"
"""Sorted set of `<owner> <host>`, whose webhooks wait to be sent there; the score is that of the first of
DELIVERIES_PREFIX."""
DELIVERIES_PREFIX = "darkroom:deliveries:"
"""Of each of those: sorted set of `<job id>:<event>`; the score is when it is due or its lease ends."""
WEBHOOK_SECRETS_PREFIX = "darkroom:webhook_secrets:"
"""Of each owner who had them rotated: list of when, the latest first. The secrets themselves are derived from it."""
HOLDERS = "darkroom:holders"
"""Hash of `<job id>:<execution id>` -> name of the worker that holds the lease."""
CHOSEN_MODEL_PREFIX = "darkroom:chosen_model:"
"""Of each owner who chose one in AUTOMATIC1111's options: the model's id. It expires when it is not asked for."""
COUNTERS = "darkroom:counters"
"""Hash of what has happened since this Redis began: `<metric>|<label>...` -> how often; of a histogram
`<metric>|<bucket>` and `<metric>|sum`. GET /metrics shows it."""

PROBE = "darkroom:probe"
"""Written by `darkroom doctor` to see that it can be; gone after a second."""

LEASE_SECONDS = 6
WORKER_TTL_SECONDS = 120
"""RQ's record of a worker goes this long after its last beat."""
MAX_CRASHES = 3
"""A job that took this many workers with it fails as worker_crashed."""
CRASHES_TO_BE_ALONE = 2
"""A job that took this many workers with it shares no pipeline call any more."""
REAPER_GAP_SECONDS = 5
"""Nobody could renew a lease while nobody reaped: after such a gap expired leases get one lease of grace."""
UNKNOWN_WAIT_SECONDS = 10
"""What a client is told to wait for where the line's pace is not known."""
DELIVERY_LEASE_SECONDS = 20
"""Longer than a try may take; where its process died, another one tries again after this."""
WEBHOOK_SECRETS_KEPT = 4
"""Times of rotation, for each owner."""
IDEMPOTENCY_SECONDS = 24 * 3600
EVENTS_SECONDS = 3600
"""What happened to an ended job can be read in full for so long; afterwards only how it ended."""
SCAN_JOBS = 500
"""A list looks at no more jobs in one step."""
SCAN_CELLS = 2000
"""A list of grids looks at no more of their jobs in one step."""
MOVES_AT_ONCE = 100
"""Of jobs that move up in line because one before them left it; the chores move the rest."""
MOVES_OF_A_CHORE = 1000
OWNERS_OF_A_CHORE = 10
LATE_AT_ONCE = 1000
"""Of queued jobs that fail for their deadline in one step."""
HEADS_LOOKED_AT = 20
"""A claim passes over no more jobs that cannot run."""
OWNERS_LOOKED_AT = 16
"""The work before a job is read from each owner's line; where there are more owners, from SAMPLED_JOBS before it."""
SAMPLED_JOBS = 8
PACE_MEMORY = 0.9
"""Each job that ends leaves so much of the weight of those before it."""
SECONDS_BUCKETS = (
    *("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1"),
    *("2.5", "5", "10", "30", "60", "120", "300", "600"),
)
"""Upper bounds of the buckets of durations, from a picture of the smallest model to the longest job by default."""
RATIO_BUCKETS = ("0.1", "0.25", "0.5", "0.7", "0.8", "0.9", "1", "1.1", "1.25", "1.5", "2", "4", "10")
WORKER_SILENT_SECONDS = 15
"""A worker that has not been heard of for so long is not counted on."""
