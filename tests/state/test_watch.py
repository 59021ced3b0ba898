"""The watch: samples in, transitions out; what it knows survives restarts and a file that begins anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from test_lifecycle import BOUND, FREE

from router.catalogue import LocalCard
from router.state.agreement import Compared, Inputs
from router.state.betting import bin_of, histogram
from router.state.lifecycle import Lifecycle
from router.state.watch import Watch

CALIBRATED = msgspec.structs.replace(BOUND, calibration={"in_distribution": histogram([0.9] * 100 + [0.99] * 100)})


class Desk:
    """A watch over one bound model in ``path``, and ways to feed it."""

    def __init__(self, path: Path, card: LocalCard = CALIBRATED, **options: Any) -> None:
        self.life = Lifecycle(path / "life.jsonl", [card, FREE], every_s=0.0)
        self.watch = Watch(path / "agreement.jsonl", self.life, [card, FREE], **options)
        self.card, self.count = card, 0

    @property
    def state(self) -> str:
        return self.life.state(self.card.name)

    def compare(self, agrees: list[bool | None], source: str, **changes: Any) -> None:
        for each in agrees:
            self.count += 1
            sample = Compared(
                at_s=0.0, model=self.card.name, files=self.life.files(self.card.name),
                round=len(self.life.rounds(self.card.name)) - 1, decision=f"d{self.count}", source=source,
                propensity=0.5, would=True, agrees=each, probability=0.9, in_distribution=0.95,
            )  # fmt: skip
            self.watch.record([msgspec.structs.replace(sample, **changes)])

    def see(self, score: float, count: int) -> None:
        for _ in range(count):
            self.count += 1
            sample = Inputs(
                at_s=0.0, model=self.card.name, files=self.life.files(self.card.name),
                round=len(self.life.rounds(self.card.name)) - 1, id=f"i{self.count}", bins=[bin_of(score)],
            )  # fmt: skip
            self.watch.record([sample])


def test_promise_that_is_kept_promotes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.compare([True] * 60, "shadow")
    assert desk.state == "shadow"
    desk.compare([True] * 120, "shadow")
    assert desk.state == "serving"
    made = desk.life.history("desk")[-1]
    assert made.by == "auto"
    assert made.evidence is not None
    assert made.evidence.bound is not None
    assert made.evidence.bound >= 0.95 == made.evidence.promised


def test_what_is_asked_for_in_service_may_be_less_than_the_promise(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_error=0.2)
    desk.compare([True] * 60, "shadow")
    assert desk.state == "serving"


def test_answers_it_would_not_give_and_answers_without_a_label_show_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.compare([True] * 200, "shadow", would=False)
    desk.compare([None] * 200, "shadow")
    assert desk.state == "shadow"
    assert desk.watch.standing("desk").evidence.n == 0
    assert desk.watch.standing("desk").unread == 200


def test_disagreement_sends_it_to_quarantine_and_agreement_brings_it_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.compare([True] * 180, "shadow")
    desk.compare([True] * 30 + [False] * 8, "audit")
    assert desk.state == "quarantined"
    assert "disagrees with the hosted model" in desk.life.history("desk")[-1].why
    desk.compare([False] * 30 + [True] * 320, "shadow")
    assert desk.state == "serving"


def test_drift_of_its_inputs_sends_it_to_quarantine(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.compare([True] * 180, "shadow")
    desk.see(0.95, 100)
    assert desk.state == "serving"
    desk.see(0.2, 30)
    assert desk.state == "quarantined"
    assert "inputs are unlike" in desk.life.history("desk")[-1].why


def test_who_agrees_on_new_inputs_comes_back_and_they_are_the_reference_from_then_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.compare([True] * 180, "shadow")
    desk.see(0.2, 30)
    assert desk.state == "quarantined"
    desk.compare([True] * 250, "shadow", in_distribution=0.2)
    assert desk.state == "serving"
    desk.see(0.2, 100)
    assert desk.state == "serving"


def test_after_the_last_quarantine_it_is_retired(tmp_path: Path) -> None:
    desk = Desk(tmp_path, quarantines=1)
    desk.compare([True] * 180, "shadow")
    desk.compare([False] * 8, "audit")
    desk.compare([True] * 320, "shadow")
    desk.compare([False] * 12, "audit")
    assert [each.becomes for each in desk.life.history("desk")] == ["serving", "quarantined", "serving", "retired"]


def test_promotion_by_hand_is_left_to_the_hand(tmp_path: Path) -> None:
    desk = Desk(tmp_path, promotes="manual")
    desk.compare([True] * 200, "shadow")
    assert desk.state == "shadow"
    assert desk.watch.standing("desk").is_kept


def test_a_model_of_a_task_is_never_moved(tmp_path: Path) -> None:
    desk = Desk(tmp_path, msgspec.structs.replace(CALIBRATED, template=""))
    desk.compare([False] * 100, "audit")
    assert desk.state == "serving"


def test_samples_of_an_earlier_round_or_of_other_files_count_no_more(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.compare([True] * 180, "shadow")
    assert desk.state == "serving"
    desk.compare([False] * 50, "shadow", round=0)
    desk.compare([False] * 50, "audit", files="f" * 16)
    assert desk.state == "serving"


def test_two_processes_see_the_same_and_one_moves(tmp_path: Path) -> None:
    one, other = Desk(tmp_path), Desk(tmp_path)
    one.compare([True] * 100, "shadow")
    other.compare([True] * 80, "shadow", propensity=0.5)
    assert one.state == other.state == "serving"
    one.watch.follow()
    assert one.watch.standing("desk").state == "serving"
    assert len(one.life.history("desk")) == 1


def test_a_full_file_begins_anew_and_nothing_is_forgotten(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_bytes=4_000)
    reader = Desk(tmp_path)
    desk.compare([True] * 60, "shadow")
    assert (tmp_path / "agreement.jsonl").stat().st_size < 5_000
    fresh = Desk(tmp_path)
    fresh.watch.follow()
    reader.watch.follow()
    assert fresh.watch.standing("desk").evidence == reader.watch.standing("desk").evidence
    assert fresh.watch.standing("desk").evidence.n == 60


def test_no_text_stands_in_the_file(tmp_path: Path) -> None:
    Desk(tmp_path).compare([True], "shadow")
    fields = set(msgspec.json.decode((tmp_path / "agreement.jsonl").read_bytes()))
    assert fields == {*Compared.__struct_fields__, "kind"}
    assert not fields & {"text", "prompt", "messages"}
