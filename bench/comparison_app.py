"""What others would have written: FastAPI handlers that do nothing, and ones that use RQ as its manual shows.

`python -m bench.comparison_app PORT REDIS_URL` serves them as Darkroom's service is served: one process of uvicorn on
uvloop and httptools, without an access log. Knows nothing of Darkroom.
"""

import sys
from typing import Annotated, Any

import redis
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from rq import Queue
from rq.job import Job


class Body(BaseModel):
    """The fields that the measurements send, validated as an API would."""

    model_config = ConfigDict(extra="forbid")

    prompt: Annotated[str, Field(min_length=1, max_length=10_000)]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    num_inference_steps: Annotated[int, Field(ge=1, le=100)] = 20
    width: Annotated[int, Field(ge=64, le=256)] = 128
    height: Annotated[int, Field(ge=64, le=256)] = 128


def create_app(redis_url: str) -> FastAPI:
    app = FastAPI(openapi_url=None)
    client = redis.Redis.from_url(redis_url)
    queue = Queue("peer", connection=client)

    @app.post("/empty", status_code=202)
    async def accept(body: Body) -> dict[str, Any]:
        return {"id": "0" * 32, "status": "queued", "prompt": body.prompt}

    @app.get("/empty/{job_id}")
    async def show(job_id: str) -> dict[str, Any]:
        return {"id": job_id, "status": "queued"}

    @app.post("/enqueue", status_code=202)
    def enqueue(body: Body) -> dict[str, Any]:
        job = queue.enqueue("peer.generate", body.model_dump())
        return {"id": job.id, "status": "queued"}

    @app.get("/fetch/{job_id}")
    def fetch(job_id: str) -> dict[str, Any]:
        job = Job.fetch(job_id, connection=client)
        return {"id": job.id, "status": job.get_status(refresh=False)}

    return app


if __name__ == "__main__":
    port, redis_url = sys.argv[1:]
    uvicorn.run(
        create_app(redis_url),
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
    )
