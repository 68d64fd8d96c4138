"""Carry the current session across threads, processes and services.

bind, ContextThreadPoolExecutor, link_threads   threads and process pools
inject, extract                                 headers and messages
ASGIMiddleware, WSGIMiddleware                  incoming requests
request_hook, async_request_hook                outgoing requests of httpx
"""

from honeytrace.propagation._asgi import ASGIMiddleware
from honeytrace.propagation._headers import extract, inject
from honeytrace.propagation._httpx import async_request_hook, request_hook
from honeytrace.propagation._threads import (
    ContextThreadPoolExecutor,
    bind,
    link_threads,
    unlink_threads,
)
from honeytrace.propagation._wsgi import WSGIMiddleware

__all__ = [
    "ASGIMiddleware",
    "ContextThreadPoolExecutor",
    "WSGIMiddleware",
    "async_request_hook",
    "bind",
    "extract",
    "inject",
    "link_threads",
    "request_hook",
    "unlink_threads",
]
