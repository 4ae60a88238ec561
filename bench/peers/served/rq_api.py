"""FastAPI in front of RQ: a request becomes a job, which the client polls for.

`uvicorn rq_api:app` and, beside it, `rq worker --worker-class rq.SimpleWorker pictures`, both with REDIS_URL set.
"""

import os

from fastapi import FastAPI, HTTPException, Response
from pocket import PictureRequest
from redis import Redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job

app = FastAPI()
connection = Redis.from_url(os.environ["REDIS_URL"])
pictures = Queue("pictures", connection=connection)


@app.post("/generate", status_code=202)
def generate(request: PictureRequest) -> dict[str, str]:
    return {"id": pictures.enqueue("rq_jobs.draw", request.prompt, request.seed).id}


@app.get("/jobs/{job_id}")
def status(job_id: str) -> dict[str, str]:
    return {"status": found(job_id).get_status().value}


@app.get("/jobs/{job_id}/image")
def image(job_id: str) -> Response:
    return Response(found(job_id).return_value(), media_type="image/png")


def found(job_id: str) -> Job:
    try:
        return Job.fetch(job_id, connection)
    except NoSuchJobError:
        raise HTTPException(404) from None
