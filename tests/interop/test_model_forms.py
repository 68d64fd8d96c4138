"""Every form of call of the installed SDKs: recorded once, and nothing changes by it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

import honeytrace
from honeytrace.testing import capture_sessions

pytest.importorskip("openai")
pytest.importorskip("anthropic")

import model_forms
from model_forms import FORMS, Form
from model_server import ModelServer

# A stream that is dropped on purpose is closed by the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.sdk} {form.name}")
def test_form(form: Form, asynchronous: bool, server: ModelServer) -> None:
    """The program and the server see the same, and the session holds what is known."""
    if not model_forms.is_offered(form):
        pytest.skip("this version does not offer it")
    plain = model_forms.run(form, server, asynchronous)
    honeytrace.instrument()
    try:
        with capture_sessions() as sessions:
            traced = model_forms.run(form, server, asynchronous)
            if "dropped" in form.name:
                gc.collect()
    finally:
        honeytrace.uninstrument()
    assert model_forms.fault(form, plain, traced, list(sessions)) == ""
