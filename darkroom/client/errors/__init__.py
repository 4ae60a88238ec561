"""Everything that the client raises, but for TypeError and ValueError where an argument cannot be used.

    DarkroomError
    ├── CannotConnect                no connection, a cut one, or silence
    ├── UnexpectedAnswer             what answered is not Darkroom, or too new
    ├── WaitTimeout                  a job has not ended in time; `job`
    ├── GridWaitTimeout              a grid has not; `grid`
    ├── JobCanceled                  `job`
    ├── JobFailed                    `job`, `code`, `detail`
    │   ├── DeadlineExceeded         deadline_exceeded
    │   ├── GenerationFailed         generation_failed
    │   ├── ImageFiltered            image_filtered
    │   ├── InvalidJob               invalid_job
    │   ├── InvalidOutput            invalid_output
    │   ├── ModelUnavailable         model_unavailable
    │   ├── OutOfMemory              out_of_memory
    │   ├── JobStorageFull           storage_full
    │   ├── StorageUnavailable       storage_unavailable
    │   └── WorkerCrashed            worker_crashed
    └── Problem                      `status`, `code`, `detail`, `errors`, `retry_after_seconds`, `request_id`
        ├── BadRequest               400
        │   ├── InvalidRequest       invalid_request
        │   └── InvalidJson          invalid_json
        ├── Unauthorized             401 unauthorized
        ├── Forbidden                403
        │   └── OriginRefused        cross_origin_refused
        ├── NotFound                 404 not_found
        │   ├── JobNotFound          job_not_found
        │   ├── GridNotFound         grid_not_found
        │   └── ImageNotFound        image_not_found
        ├── MethodNotAllowed         405 method_not_allowed
        ├── RequestTimeout           408
        │   ├── HeadTooSlow          head_too_slow
        │   └── BodyTooSlow          body_too_slow
        ├── Conflict                 409
        │   ├── JobNotEnded          job_not_ended
        │   ├── GridNotEnded         grid_not_ended
        │   └── NothingToRedeliver   nothing_to_redeliver
        ├── Gone                     410
        │   ├── JobExpired           job_expired
        │   └── GridExpired          grid_expired
        ├── BodyTooLarge             413 body_too_large
        ├── TargetTooLong            414 target_too_long
        ├── UnsupportedMediaType     415 unsupported_media_type
        ├── RangeNotSatisfiable      416 range_not_satisfiable
        ├── HostRefused              421 host_not_allowed
        ├── Unprocessable            422
        │   ├── ValidationFailed     validation_failed
        │   │   └── PromptRefused    prompt_refused
        │   ├── IdempotencyKeyReused idempotency_key_reused
        │   ├── NoParametersFound    no_parameters_found
        │   └── NotAnImage           not_an_image
        ├── TooManyRequests          429
        │   ├── RateExceeded         rate_exceeded
        │   └── TooManyQueuedJobs    too_many_queued_jobs
        ├── HeadTooLarge             431 head_too_large
        └── ServerError              500
            ├── InternalError        internal_error
            ├── ImageUnreadable      image_unreadable
            ├── Unavailable          503
            │   ├── InspectionsBusy  inspections_busy
            │   ├── QueueFull        queue_full
            │   ├── QueueUnavailable queue_unavailable
            │   └── StoreUnavailable store_unavailable
            └── StorageFull          507 storage_full

A code that a newer service adds is an error of its status' class. Knows nothing of how requests are sent.
"""

from darkroom.client.errors.base import *  # noqa: F403
from darkroom.client.errors.jobs import *  # noqa: F403
from darkroom.client.errors.problems import *  # noqa: F403
