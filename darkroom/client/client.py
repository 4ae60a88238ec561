"""What both clients are: one service, asked as one owner, with so much patience. Sends nothing itself."""

from abc import ABC, abstractmethod
from typing import Any

from darkroom.client.address import Address
from darkroom.client.verbs import Verbs

_LONGEST_POLL_SECONDS = 60
"""The service holds no answer for longer."""


class Client(ABC):
    """How a client is made, and how it looks when it is printed."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        max_retries: int = 5,
        outage_seconds: float = 300.0,
        poll_seconds: float = 50.0,
    ) -> None:
        """`base_url` and `api_key` are DARKROOM_URL and DARKROOM_API_KEY where they are None. Raises ValueError.

        `timeout_seconds` is how long the service may be silent while it owes an answer, however long a job takes.
        `outage_seconds` is how long `wait` and `stream` bear a service that does not answer. `poll_seconds`, up to 60,
        is how long one request of `wait` is held: shorter than a proxy's patience, which often is a minute.
        """
        if not 0 < poll_seconds <= _LONGEST_POLL_SECONDS:
            raise ValueError(f"poll_seconds must be above 0 and at most {_LONGEST_POLL_SECONDS}")
        address = Address(base_url, api_key)
        self.base_url = address.base_url
        self._verbs = Verbs(timeout_seconds, max_retries, outage_seconds, poll_seconds)
        self._connect(address.client_options(timeout_seconds))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    @abstractmethod
    def _connect(self, options: dict[str, Any]) -> None:
        """Makes the httpx client; opens no connection yet."""
