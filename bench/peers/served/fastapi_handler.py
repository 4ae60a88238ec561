"""A plain FastAPI handler: in the thread pool, one picture at a time, the client waits for it.

`uvicorn fastapi_handler:app`
"""

from threading import Lock

from fastapi import FastAPI, Response
from pocket import PictureRequest, Pocket

app = FastAPI()
pocket = Pocket()
one_at_a_time = Lock()


@app.post("/generate")
def generate(request: PictureRequest) -> Response:
    with one_at_a_time:
        (picture,) = pocket.draw([request])
    return Response(picture, media_type="image/png")
