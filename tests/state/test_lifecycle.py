"""States of local models: kept in a file, shared by processes, begun anew with new files."""

from __future__ import annotations

import multiprocessing
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.catalogue import LocalCard
from router.errors import StateUnavailable, UnknownModel
from router.state.lifecycle import STATES, Lifecycle

BOUND = LocalCard(
    name="desk", task="intent_classification", labels=("a", "b"), maker="linear", languages=("en",), rows=10,
    threshold=0.7, ood_threshold=0.5, licence="", data_hash="", files={"model.safetensors": "0" * 64},
    template="0123456789abcdef", promise={"max_error": 0.05, "confidence": 0.95},
)  # fmt: skip
FREE = msgspec.structs.replace(BOUND, name="sentiment", template="")


def life(path: Path, *cards: LocalCard, every_s: float = 0.0) -> Lifecycle:
    return Lifecycle(path / "life.jsonl", cards or (BOUND, FREE), every_s=every_s)


def test_bound_models_begin_in_shadow_and_others_serving(tmp_path: Path) -> None:
    found = life(tmp_path)
    assert found.states() == {"desk": "shadow", "sentiment": "serving"}
    assert found.away() == {"desk": "shadow"}
    assert not (tmp_path / "life.jsonl").exists()


def test_a_transition_is_kept_and_told_to_other_processes(tmp_path: Path) -> None:
    one, other = life(tmp_path), life(tmp_path)
    one.move("desk", "serving", by="user", why="tried")
    assert other.state("desk") == "serving"
    assert "desk" not in other.away()
    last = life(tmp_path).history("desk")[-1]
    assert (last.was, last.becomes, last.by, last.why) == ("shadow", "serving", "user", "tried")


def test_the_file_is_looked_at_now_and_then(tmp_path: Path) -> None:
    clock = [0.0]
    slow = Lifecycle(tmp_path / "life.jsonl", [BOUND], every_s=2.0, clock=lambda: clock[0])
    slow.away()
    life(tmp_path, BOUND).move("desk", "serving", by="user")
    assert slow.away() == {"desk": "shadow"}
    clock[0] = 2.0
    assert slow.away() == {}


def test_a_model_that_was_trained_anew_begins_anew(tmp_path: Path) -> None:
    life(tmp_path).move("desk", "serving", by="user")
    again = msgspec.structs.replace(BOUND, files={"model.safetensors": "1" * 64})
    assert life(tmp_path, again).states() == {"desk": "shadow"}
    assert life(tmp_path, again).rounds("desk") == ["shadow"]


def test_what_does_not_apply_is_not_written(tmp_path: Path) -> None:
    found = life(tmp_path)
    assert found.move("desk", "shadow", by="user") is None
    assert found.move("desk", "quarantined", by="auto", only_from="serving") is None
    assert found.history() == []
    with pytest.raises(UnknownModel, match="desk"):
        found.move("desks", "serving", by="user")


def test_half_a_line_of_a_dead_process_costs_nothing_else(tmp_path: Path) -> None:
    life(tmp_path).move("desk", "serving", by="user")
    with (tmp_path / "life.jsonl").open("ab") as file:
        file.write(b'{"at_s": 12, "mod')
    found = life(tmp_path)
    assert found.state("desk") == "serving"
    found.move("desk", "retired", by="user")
    assert life(tmp_path).state("desk") == "retired"


def test_a_file_that_cannot_be_read_is_an_error_of_the_start(tmp_path: Path) -> None:
    (tmp_path / "life.jsonl").mkdir()
    with pytest.raises(StateUnavailable, match="cannot be read"):
        life(tmp_path)


def _promote(path: str, results: multiprocessing.Queue[bool]) -> None:
    made = life(Path(path)).move("desk", "serving", by="auto", only_from="shadow")
    results.put(made is not None)


def test_of_several_processes_one_makes_the_transition(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_promote, args=(str(tmp_path), results)) for _ in range(4)]
    for process in processes:
        process.start()
    assert sorted(results.get(timeout=20) for _ in processes) == [False, False, False, True]
    for process in processes:
        process.join(20)
    assert len(life(tmp_path).history("desk")) == 1


@settings(max_examples=30, deadline=None)
@given(moves=st.lists(st.tuples(st.sampled_from(["desk", "sentiment"]), st.sampled_from(STATES)), max_size=12))
def test_the_file_alone_tells_every_state(tmp_path_factory: pytest.TempPathFactory, moves: list) -> None:
    path = tmp_path_factory.mktemp("life")
    found, expected = life(path), {"desk": "shadow", "sentiment": "serving"}
    for model, state in moves:
        made = found.move(model, state, by="user")
        assert (made is None) == (expected[model] == state)
        expected[model] = state
    assert life(path).states() == found.states() == expected
    for model in expected:
        history = life(path).history(model)
        assert all(one.becomes == other.was for one, other in pairwise(history))
