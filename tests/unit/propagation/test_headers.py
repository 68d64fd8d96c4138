"""The headers that `inject` writes and `extract` reads."""

from __future__ import annotations

import time
import uuid

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import honeytrace
from honeytrace import trace_session
from honeytrace._session import context
from honeytrace.propagation import async_request_hook, extract, inject, request_hook
from honeytrace.testing import capture_sessions

ROOT = "6a1f0000-1111-4222-8333-444444444444"
OWN = "0badc0de-5555-4666-9777-888888888888"


@trace_session
def step() -> None:
    pass


def parents(carrier):
    """The parent and the root of a session inside an extracted carrier."""
    with capture_sessions() as sessions, extract(carrier):
        step()
    about = sessions.one("step").metadata["honeytrace"]
    return about.get("parent_id"), about["root_id"] if "parent_id" in about else None


def test_the_headers_of_a_session():
    names = {"project": "a b", "source": "prod"}
    with capture_sessions(), trace_session("root") as root, trace_session("own", **names) as own:
        headers = inject({})
    trace, span = root.session_id.replace("-", ""), own.session_id.replace("-", "")[16:]
    assert headers == {
        "traceparent": f"00-{trace}-{span}-01",
        "baggage": f"session_id={root.session_id},project=a%20b,source=prod,"
        f"parent_id={own.session_id}",
        "honeytrace-parent": own.session_id,
    }
    assert parents(headers) == (own.session_id, root.session_id)


def test_project_and_source_come_from_the_configuration():
    with capture_sessions(), trace_session("root"):
        assert ",project=default,source=dev," in inject({})["baggage"]


def test_outside_a_session_nothing_is_added():
    headers = {"accept": "*/*"}
    assert inject(headers) is headers
    assert headers == {"accept": "*/*"}


def test_existing_headers_are_merged():
    headers = httpx.Headers(
        {"Baggage": "tenant=7;ttl=1, session_id=old ,,plan=pro", "TraceState": "x=1"}
    )
    with capture_sessions(), trace_session("root") as root:
        inject(headers)
    assert headers["baggage"].startswith(f"session_id={root.session_id},project=")
    assert headers["baggage"].endswith(",tenant=7;ttl=1,plan=pro")
    assert headers["tracestate"] == "x=1"


def test_names_keep_their_case_in_a_plain_dict():
    headers = {"Baggage": "tenant=7", "Traceparent": "old"}
    with capture_sessions(), trace_session("root"):
        assert set(inject(headers)) == {"Baggage", "Traceparent", "honeytrace-parent"}


@pytest.mark.parametrize(
    "baggage", [",".join(f"m{n}=1" for n in range(500)), "m=" + "x" * 9000, "a=1," * 40_000]
)
def test_baggage_stays_within_its_bounds(baggage):
    with capture_sessions(), trace_session("root" * 400, project="p" * 9000) as root:
        merged = inject({"baggage": baggage})["baggage"]
    assert len(merged) <= 8_192
    assert len(merged.split(",")) <= 64
    assert merged.startswith(f"session_id={root.session_id}")


@pytest.mark.parametrize("headers", [None, [("a", "b")], "baggage"])
def test_inject_needs_a_mapping(headers):
    with pytest.raises(TypeError, match=r"inject\(\) adds to a mapping"):
        inject(headers)


@pytest.mark.parametrize(
    ("carrier", "found"),
    [
        ({"honeytrace-parent": OWN}, (OWN, OWN)),
        ({"Honeytrace-Parent": OWN.upper()}, (OWN, OWN)),
        ({"baggage": f"session_id={ROOT}"}, (ROOT, ROOT)),
        ({"baggage": f" session_id = {ROOT} ; x=1 , parent_id={OWN}"}, (OWN, ROOT)),
        ({"traceparent": f"00-{ROOT.replace('-', '')}-{'1' * 16}-01"}, (ROOT, ROOT)),
        ({"traceparent": f"cc-{ROOT.replace('-', '')}-{'1' * 16}-01-more"}, (ROOT, ROOT)),
        (
            {"traceparent": f"00-{'a' * 32}-{'1' * 16}-01", "baggage": f"session_id={ROOT}"},
            (ROOT, ROOT),
        ),
        ([(b"honeytrace-parent", OWN.encode()), (b"accept", b"*/*")], (OWN, OWN)),
        ([("baggage", "a=1"), ("baggage", f"session_id={ROOT}")], (ROOT, ROOT)),
    ],
)
def test_ids_are_read_from_any_of_the_headers(carrier, found):
    assert parents(carrier) == found


@pytest.mark.parametrize(
    "carrier",
    [
        {},
        None,
        3,
        [1, 2],
        [("a", "b", "c")],
        {"honeytrace-parent": 7, b"\xff": None},
        {"honeytrace-parent": "not-a-uuid"},
        {"honeytrace-parent": f"{OWN}, {OWN}"},
        {"baggage": f"project={ROOT},session_id=%ff"},
        {"traceparent": f"00-{'a' * 32}-{'1' * 16}-01"},  # of another tracer
        {"traceparent": f"00-{'a' * 32}-{'1' * 16}-00"},
        {"traceparent": f"ff-{ROOT.replace('-', '')}-{'1' * 16}-01"},
        {"traceparent": f"00-{ROOT}-{'1' * 16}-01"},
        {"honeytrace-parent": OWN + " " * 100_000},
        {"baggage": f"session_id={ROOT}," + "x" * 100_000},
        {"baggage": "a=1," * 100 + f"session_id={ROOT}"},
    ],
)
def test_headers_without_valid_ids_change_nothing(carrier):
    assert parents(carrier) == (None, None)


@given(
    st.dictionaries(
        st.sampled_from(["traceparent", "baggage", "honeytrace-parent", "Baggage", "x"]),
        st.text() | st.binary() | st.none(),
    )
)
def test_no_header_raises(carrier):
    with extract(carrier):
        assert context.get() is None or context.get().ended


def test_hostile_headers_take_linear_time():
    """A header ten times as long takes about ten times as long, not a hundred times."""

    def spent(size):
        carriers = [{"baggage": part * size} for part in (",", "=", ";,", "session_id=", "%")]
        carriers += [{f"h{n}": "x" for n in range(size)}, {"traceparent": "0" * size}]
        began = time.process_time()
        for carrier in carriers:
            with extract(carrier):
                pass
        return time.process_time() - began

    assert spent(1_000_000) < 10


def test_nothing_but_ids_is_taken_from_headers():
    carrier = {"baggage": f"session_id={ROOT},project=theirs,source=theirs,api_key=k"}
    with capture_sessions() as sessions, extract(carrier):
        step()
    session = sessions.one("step")
    assert (session.project, session.source) == ("default", "dev")


def test_an_extracted_parent_is_no_running_session():
    with extract({"honeytrace-parent": OWN}):
        assert not honeytrace.current_session()
        assert not honeytrace.enrich_session(metrics={"hits": 1})
        assert inject({})["honeytrace-parent"] == OWN
    assert inject({}) == {}


def test_an_extracted_parent_is_nearer_than_a_running_session():
    with capture_sessions() as sessions, trace_session("worker") as worker:
        with extract({"honeytrace-parent": OWN}):
            step()
            step()
        step()
    inner = [each.metadata["honeytrace"]["parent_id"] for each in sessions.all("step")]
    assert inner == [OWN, OWN, worker.session_id]
    assert len(sessions.one("worker").children_ids) == 1


def test_sessions_below_an_extracted_one_know_its_root():
    carrier = {"honeytrace-parent": OWN, "baggage": f"session_id={ROOT}"}
    with capture_sessions() as sessions, extract(carrier), trace_session("outer") as outer:
        step()
    assert sessions.one("step").metadata["honeytrace"]["root_id"] == ROOT
    assert sessions.one("step").metadata["honeytrace"]["parent_id"] == outer.session_id


def test_a_tree_that_is_not_recorded_stays_so_in_another_service():
    trace = uuid.uuid4().hex
    with capture_sessions() as sessions, extract({"traceparent": f"00-{trace}-{'1' * 16}-00"}):
        step()
        assert inject({})["traceparent"].endswith("-00")
        with extract(inject({})):
            step()
    assert len(sessions) == 0


def client(*hosts, seen):
    def answer(request):
        seen.append((request.url.host, dict(request.headers)))
        if request.url.path == "/away":
            return httpx.Response(302, headers={"location": "https://elsewhere.test/"})
        return httpx.Response(200)

    return httpx.Client(
        transport=httpx.MockTransport(answer),
        event_hooks={"request": [request_hook(*hosts)]},
        follow_redirects=True,
    )


def test_the_hook_adds_the_session_only_for_the_named_hosts():
    seen = []
    with (
        capture_sessions(),
        trace_session("root") as root,
        client("*.inner.test", seen=seen) as http,
    ):
        http.get("https://api.inner.test/", headers={"baggage": "tenant=7"})
        http.get("https://elsewhere.test/", headers={"baggage": "tenant=7"})
    (_, inside), (_, outside) = seen
    assert inside["honeytrace-parent"] == root.session_id
    assert outside["baggage"] == "tenant=7"
    assert not {"honeytrace-parent", "traceparent"} & set(outside)


@pytest.mark.parametrize("baggage", [None, "tenant=7"])
def test_a_redirect_to_another_host_does_not_take_the_ids_along(baggage):
    seen = []
    with capture_sessions(), trace_session("root"), client("api.test", seen=seen) as http:
        http.get("https://api.test/away", headers={"baggage": baggage} if baggage else {})
    assert [host for host, _ in seen] == ["api.test", "elsewhere.test"]
    assert not {"honeytrace-parent", "traceparent"} & set(seen[1][1])
    assert seen[1][1].get("baggage") == baggage


async def _get(http):
    async with http:
        await http.get("https://api.test/")


def test_the_hook_for_the_asynchronous_client():
    import asyncio

    seen = []

    def answer(request):
        seen.append(request.headers["honeytrace-parent"])
        return httpx.Response(200)

    http = httpx.AsyncClient(
        transport=httpx.MockTransport(answer),
        event_hooks={"request": [async_request_hook("API.test")]},
    )
    with capture_sessions(), trace_session("root") as root:
        asyncio.run(_get(http))
    assert seen == [root.session_id]


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ((), "name the hosts"),
        ((3,), "a host is a name"),
        (("https://api.test",), "is not a host"),
        (("api.test:80",), "is not a host"),
        (("",), "is not a host"),
    ],
)
@pytest.mark.parametrize("hook", [request_hook, async_request_hook])
def test_hosts_have_to_be_named(hook, hosts, words):
    with pytest.raises((TypeError, ValueError), match=words):
        hook(*hosts)


def test_httpx2_takes_the_same_hook():
    httpx2 = pytest.importorskip("httpx2")
    seen = []

    def answer(request):
        seen.append(request.headers["honeytrace-parent"])
        return httpx2.Response(200)

    with capture_sessions(), trace_session("root") as root:
        hooks = {"request": [request_hook("api.test")]}
        with httpx2.Client(transport=httpx2.MockTransport(answer), event_hooks=hooks) as http:
            http.get("https://api.test/")
    assert seen == [root.session_id]
