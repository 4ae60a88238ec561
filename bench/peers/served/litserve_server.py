"""LitServe: one worker process, the client waits. With a batch size above 1 its loop gathers requests.

`python litserve_server.py --port P --max-batch-size N --batch-timeout SECONDS`
"""

import argparse

import litserve
from fastapi import Response
from pocket import PictureRequest, Pocket


class PocketAPI(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - its signature
        self.pocket = Pocket()

    def decode_request(self, request: PictureRequest) -> PictureRequest:
        return request

    def predict(self, x: PictureRequest | list[PictureRequest]) -> bytes | list[bytes]:
        """LitServe hands over a list where it gathers requests, else one."""
        return self.pocket.draw(x) if isinstance(x, list) else self.pocket.draw([x])[0]

    def encode_response(self, output: bytes) -> Response:
        return Response(output, media_type="image/png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--max-batch-size", type=int, required=True)
    parser.add_argument("--batch-timeout", type=float, required=True)
    asked = parser.parse_args()
    api = PocketAPI(max_batch_size=asked.max_batch_size, batch_timeout=asked.batch_timeout, api_path="/generate")
    server = litserve.LitServer(api, accelerator="cpu", timeout=300)
    server.run(host="127.0.0.1", port=asked.port, generate_client_file=False, log_level="warning")
