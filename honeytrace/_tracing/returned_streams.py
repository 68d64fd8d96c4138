"""Follow what an SDK's client returned to a traced function, where it is not instrumented."""

from __future__ import annotations

from typing import Any

from honeytrace._capture.deferred import Encoded
from honeytrace._capture.providers.exchange import Exchange
from honeytrace._capture.stdlib_types import by_class, mro, namespace, qualname
from honeytrace._capture.streams import EventBuffer
from honeytrace._tracing.following import ASYNC, SYNC, AsyncSteps, Watch, steps, whole_answer
from honeytrace._tracing.recorder import Call
from honeytrace._utils.guard import try_call


def follow_returned(call: Call, returned: Any) -> bool:
    """Follow a stream of an SDK that a traced function returned; return whether it is one.

    The stream stays the same object. Its session ends when it has been read or closed.
    """
    if not _is_stream(type(returned)):
        return False
    response = returned.response
    exchange = Exchange("", "")
    exchange.received = response.headers
    asynchronous = hasattr(type(returned), "__anext__")
    watch = Watch(call, exchange, response, ASYNC if asynchronous else SYNC)
    watch.decode(returned)  # first: an SDK may copy the stream for its iterator
    returned._iterator = (AsyncSteps if asynchronous else steps)(returned._iterator, watch)
    return True


@by_class
def _is_stream(kind: type) -> bool:
    """Return whether this is the class of the streams of OpenAI's or Anthropic's SDK."""
    return any(
        qualname(each) in ("Stream", "AsyncStream") and "__stream__" in namespace(each)
        for each in mro(kind)
    )


def body_returned(call: Call, returned: Any) -> Encoded | EventBuffer | None:
    """Return the body of an SDK's raw response that has been read; None for anything else."""
    if not _is_raw(type(returned)):
        return None
    response = returned.http_response
    body = try_call(getattr, response, "content")[0]
    exchange = Exchange("", "")
    exchange.received = response.headers
    return whole_answer(call, body, exchange) if type(body) is bytes else None


@by_class
def _is_raw(kind: type) -> bool:
    return any(qualname(each) in _RAW for each in mro(kind))


_RAW = ("LegacyAPIResponse", "APIResponse", "AsyncAPIResponse")
