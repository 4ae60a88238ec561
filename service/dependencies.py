"""What the routes work with, made once by create_app and handed to each route by FastAPI."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import redis.asyncio
from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from contract.image_store import ImageStore
from contract.model_catalog import ModelCatalog
from service.access.api_keys import ApiKeys
from service.access.owners import ANONYMOUS, Owner
from service.access.signed_urls import SignedUrls
from service.errors import Unauthorized
from service.grids.grids import Grids
from service.grids.sheets import Sheets
from service.housekeeping.store_room import StoreRoom
from service.inspection.inspection import Inspections
from service.jobs.completion import Completion
from service.jobs.job_events import JobEvents
from service.jobs.job_queue import JobQueue
from service.jobs.submission import Submission
from service.metrics.scrape import Scrape
from service.pictures.image_variants import ImageVariants
from service.request_ids import name_in_log
from service.styles import StyleCatalog
from service.webhooks.signing import WebhookSecrets


@dataclass(frozen=True)
class Parts:
    """The long-lived parts of one service process."""

    client: redis.asyncio.Redis
    queue: JobQueue
    completion: Completion
    submission: Submission
    grids: Grids
    sheets: Sheets
    events: JobEvents
    store: ImageStore
    variants: ImageVariants
    inspections: Inspections
    room: StoreRoom
    scrape: Scrape | None
    """None where nobody is told."""
    catalog: ModelCatalog
    styles: StyleCatalog
    signed_urls: SignedUrls
    webhook_secrets: WebhookSecrets
    keys: ApiKeys | None
    """None where the service asks for no key."""
    public_url: str | None
    """Without a slash at its end; None where it is what each request calls it."""

    def absolute_url(self, request: Request, path: str) -> str:
        """What a client can ask for from anywhere, from a path of this service."""
        return (self.public_url or str(request.base_url).rstrip("/")) + path


async def parts_of(request: Request) -> Parts:
    """Those of the service that was asked."""
    parts: Parts = request.app.state.parts
    return parts


WithParts = Annotated[Parts, Depends(parts_of)]

_BEARER = HTTPBearer(
    scheme_name="key",
    description="A key of `darkroom keys add`. A service without keys asks for none, and looks at none.",
    auto_error=False,
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


def _find_owner(parts: Parts, credentials: HTTPAuthorizationCredentials | None) -> Owner | None:
    if parts.keys is None:
        return ANONYMOUS
    return parts.keys.find(credentials.credentials) if credentials else None


async def owner_of(request: Request) -> Owner | None:
    """Whoever asks; None for a stranger to a service that has keys."""
    return await _owner_if_known(request, await _BEARER(request))


async def _owner_if_known(request: Request, credentials: _Credentials) -> Owner | None:
    owner = _find_owner(await parts_of(request), credentials)
    name_in_log(owner, request.path_params.get("job_id"))
    return owner


WithOwnerIfKnown = Annotated[Owner | None, Depends(_owner_if_known)]
"""As `owner_of`."""


async def _owner(request: Request, credentials: _Credentials) -> Owner:
    owner = await _owner_if_known(request, credentials)
    if owner is None:
        raise _unauthorized(credentials)
    return owner


def _unauthorized(credentials: HTTPAuthorizationCredentials | None) -> Unauthorized:
    wrong_key = credentials is not None
    detail = "This key is not in force." if wrong_key else "A key is needed, as `Authorization: Bearer <key>`."
    return Unauthorized(detail, wrong_key=wrong_key)


async def _basic_owner(request: Request) -> Owner:
    key = _password(request) or await _BEARER(request)
    owner = await _owner_if_known(request, key)
    if owner is None:
        detail = "A key is needed, as the password of HTTP Basic authentication, with any user name."
        raise Unauthorized(detail, wrong_key=key is not None, scheme="Basic")
    return owner


def _password(request: Request) -> HTTPAuthorizationCredentials | None:
    """That of HTTP Basic authentication, RFC 7617; empty where it cannot be read.

    Not by FastAPI's HTTPBasic: it refuses a user name that is not ASCII, and what a service without keys does not read.
    """
    scheme, encoded = get_authorization_scheme_param(request.headers.get("Authorization"))
    if scheme.lower() != "basic":
        return None
    try:
        password = base64.b64decode(encoded).partition(b":")[2].decode()
    except ValueError:  # not base64, or not UTF-8
        password = ""
    return HTTPAuthorizationCredentials(scheme="Bearer", credentials=password)


WithBasicOwner = Annotated[Owner, Depends(_basic_owner)]
"""Whoever asks, by a key that is the password of HTTP Basic authentication, or as WithOwner takes it."""

WithOwner = Annotated[Owner, Depends(_owner)]
"""Whoever asks; a stranger gets 401. As the first parameter of a route it is found out before the body is read."""

InForce = Callable[[], bool]


async def _in_force(parts: WithParts, credentials: _Credentials) -> InForce:
    return lambda: _find_owner(parts, credentials) is not None


WithInForce = Annotated[InForce, Depends(_in_force)]
"""Whether the key that was shown still is in force: for an answer that goes on for long."""

_Expires = Annotated[str | None, Query(description="of a `signed_url`")]
_Signature = Annotated[str | None, Query(description="of a `signed_url`")]


Admit = Callable[[str], Owner | None]
"""Whoever may see what is at that path, as SignedUrls takes it; None for anybody. Raises Unauthorized."""


async def _admission(
    request: Request, credentials: _Credentials, expires: _Expires = None, signature: _Signature = None
) -> Admit:
    urls = (await parts_of(request)).signed_urls
    owner = await _owner_if_known(request, credentials)

    def admit(picture: str) -> Owner | None:
        if expires is not None and signature is not None and urls.allows(picture, expires, signature):
            return None
        if owner is None:
            raise _unauthorized(credentials)
        return owner

    return admit


_Admit = Annotated[Admit, Depends(_admission)]


async def _viewer(request: Request, admit: _Admit) -> Owner | None:
    return admit("images/{job_id}/{index}".format(**request.path_params))


WithViewer = Annotated[Owner | None, Depends(_viewer)]
"""Whoever asks for a picture; None for anybody at all, whose URL is signed. A stranger without one gets 401."""


async def _sheet_viewer(request: Request, admit: _Admit) -> Owner | None:
    return admit("grids/{grid_id}/sheet".format(**request.path_params))


WithSheetViewer = Annotated[Owner | None, Depends(_sheet_viewer)]
"""The same of a grid's contact sheet."""


async def _stream_listener(request: Request, admit: _Admit) -> Owner | None:
    return admit("v1/predictions/{job_id}/stream".format(**request.path_params))


WithStreamListener = Annotated[Owner | None, Depends(_stream_listener)]
"""The same of a prediction's stream."""
