"""Calls of a sidecar over plain HTTP, and two bodies: one is answered by a local model, one by a hosted one."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

CHAT = "/v1/chat/completions"
REVIEW: dict[str, Any] = {
    "model": "auto",
    "messages": [
        {"role": "system", "content": "You label customer reviews. Answer with one word: positive or negative."},
        {"role": "user", "content": "I loved every minute of it. What a wonderful film, I will watch it again!"},
    ],
}
STORY: dict[str, Any] = {
    "model": "auto",
    "messages": [{"role": "user", "content": "Write a short story about the sea."}],
}


class Reply(NamedTuple):
    status: int
    headers: Any
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


@contextmanager
def calling(
    address: str,
    path: str,
    body: Any = None,
    *,
    key: str | None = None,
    tls: ssl.SSLContext | None = None,
    **headers: str,
) -> Iterator[HTTPResponse]:
    """The answer while it comes: a POST where there is a body. Headers are named with underscores."""
    place = urlsplit(address).netloc
    connection = HTTPSConnection(place, timeout=30, context=tls) if tls else HTTPConnection(place, timeout=60)
    sent = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", path, data, sent)
        yield connection.getresponse()
    finally:
        connection.close()


def call(address: str, path: str, body: Any = None, **how: Any) -> Reply:
    """The whole answer; ``how`` as in :func:`calling`."""
    with calling(address, path, body, **how) as response:
        return Reply(response.status, response.headers, response.read())
