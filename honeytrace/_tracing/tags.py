"""`tag`, which adds facts to all sessions that start inside."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from honeytrace._session import context
from honeytrace._session.record import CallRecord
from honeytrace._session.scope import tagged
from honeytrace._tracing.options import json_object
from honeytrace._utils.json import Json

CONVERSATION = "conversation"
"""The key of `metadata` that holds the conversation."""


class tag:  # noqa: N801 - used like a function
    """Add facts to every session that starts inside, at any depth, in tasks and bound threads.

        with honeytrace.tag(user_properties={"user_id": "u-1"}, conversation="c-7"):
            answer(question)

    Tags may be nested; for the same key the inner one wins. Values that `trace_session` is given or
    that are set later win over tags. A `conversation` becomes `metadata["conversation"]`, by which
    the list of sessions can be searched.

    Raises `TypeError` for a value that is not a mapping, or a conversation that is not a string.
    """

    __slots__ = ("_entered", "_tags")

    def __init__(
        self,
        *,
        user_properties: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        conversation: str | None = None,
        config: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        feedback: Mapping[str, Any] | None = None,
    ) -> None:
        given = {
            "user_properties": user_properties,
            "metadata": metadata,
            "config": config,
            "inputs": inputs,
            "metrics": metrics,
            "feedback": feedback,
        }
        self._tags: dict[str, Json] = {
            name: json_object(name, value, "tag")
            for name, value in given.items()
            if value is not None
        }
        if conversation is not None:
            if not isinstance(conversation, str) or not conversation:
                raise TypeError(f"tag(conversation=…) cannot be {conversation!r}; give a string")
            self._tags["metadata"] = {
                **self._tags.get("metadata", {}),
                CONVERSATION: conversation,
            }
        self._entered: dict[CallRecord, CallRecord | None] = {}  # each scope, and what was around

    def __enter__(self) -> None:
        outer = context.get()
        scope = tagged(outer, self._tags)
        self._entered[scope] = outer
        context.make_current(scope)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        scope = current = context.get()
        while scope is not None and scope not in self._entered:
            scope = scope.parent
        # A session inside that is still running stays current and keeps the tags.
        outer = self._entered.pop(scope, None) if scope is not None else None
        if scope is not None and scope is current:
            context.make_current(outer)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)
