"""Sessions from the store on this machine, by the query language, and as trees."""

from __future__ import annotations

import copy
import json
import pickle
import uuid
from dataclasses import asdict, replace

import pytest

import honeytrace
from honeytrace import Session, trace_session
from honeytrace.propagation import extract


@trace_session
def retrieve(question: str) -> str:
    return question


@pytest.fixture(autouse=True)
def _answers():
    honeytrace.configure()  # so that the home of this test is read
    for question in ("why", "how"):
        with trace_session("answer", inputs={"question": question}, project=question):
            retrieve(question)


def test_roots_are_returned_newest_first():
    found = honeytrace.sessions()
    assert [each.project for each in found] == ["how", "why"]
    assert all(isinstance(each, Session) for each in found)
    assert found[0].inputs == {"question": "how"}


def test_the_query_and_its_limit_choose():
    assert [each.session_name for each in honeytrace.sessions("name:retrieve")] == ["retrieve"] * 2
    assert [each.project for each in honeytrace.sessions("project:why")] == ["why"]
    assert len(honeytrace.sessions(limit=1)) == 1
    assert len(honeytrace.sessions(children=True)) == 4
    assert honeytrace.sessions("error") == []


def test_a_session_prints_as_a_tree_with_children_that_it_does_not_list():
    answer = honeytrace.sessions("project:why")[0]
    with extract({"honeytrace-parent": answer.session_id}), trace_session("late"):
        pass
    lines = honeytrace.sessions("project:why")[0].tree().splitlines()
    assert [line.split()[-3 if "─" in line else 0] for line in lines] == [
        "answer",
        "retrieve",
        "late",
    ]
    children = honeytrace.sessions("project:why")[0].children
    assert [each.session_name for each in children] == ["retrieve", "late"]
    assert children[1].children == []


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda session: pickle.loads(pickle.dumps(session)), replace],
)
def test_a_copy_is_a_session_of_the_same_store(copied):
    answer = honeytrace.sessions("project:why")[0]
    same = copied(answer)
    assert same == answer
    assert same.tree() == answer.tree()
    assert [each.session_name for each in same.children] == ["retrieve"]


def test_a_session_can_be_turned_into_json():
    answer = honeytrace.sessions("project:why")[0]
    assert json.loads(json.dumps(asdict(answer)))["inputs"] == {"question": "why"}


def test_children_that_are_not_stored_are_left_out():
    with trace_session("parent") as parent:
        parent.add_child(str(uuid.uuid4()))
    found = honeytrace.sessions("name:parent")[0]
    assert (len(found.children_ids), found.children) == (1, [])
    assert "(not stored)" in found.tree()


def test_a_parent_given_by_its_id():
    parent = honeytrace.sessions("project:why")[0]
    other = str(uuid.uuid4())
    with trace_session("outer") as outer:
        with trace_session("given", parent=parent.session_id) as given:
            assert given.parent_id == parent.session_id
            with trace_session("below") as below:
                assert (below.parent_id, below.root_id) == (given.session_id, parent.session_id)
        assert honeytrace.current_session() is outer
        with trace_session("uuid", parent=uuid.UUID(other)) as by_uuid:
            assert by_uuid.parent_id == other
    assert outer.children_ids == []
    children = honeytrace.sessions("project:why")[0].children
    assert [each.session_name for each in children] == ["retrieve", "given"]


def test_a_parent_that_still_runs_here_lists_its_child():
    with trace_session("parent") as parent, trace_session("between"):
        with trace_session("child", parent=parent.session_id) as child:
            assert child.root_id == parent.session_id
        with extract({"honeytrace-parent": parent.session_id}), trace_session("carried") as carried:
            pass
    assert parent.children_ids[1:] == [child.session_id, carried.session_id]


def test_a_query_that_cannot_be_understood_is_refused():
    with pytest.raises(ValueError, match="'nam:x' is not a condition"):
        honeytrace.sessions("nam:x")
    with pytest.raises(TypeError, match="such as 'error since:1h', not 3"):
        honeytrace.sessions(3)


@pytest.mark.parametrize("limit", [0, -1, "3", True])
def test_a_limit_that_is_not_a_number_of_sessions_is_refused(limit):
    with pytest.raises(ValueError, match="is not a number of sessions; give 1 or more"):
        honeytrace.sessions(limit=limit)


@pytest.mark.parametrize(("parent", "error"), [("6a1f", ValueError), (3, ValueError)])
def test_a_parent_that_is_not_an_id_is_refused(parent, error):
    with pytest.raises(error, match=r"trace_session\(parent=…\) cannot be"):
        trace_session("block", parent=parent)
