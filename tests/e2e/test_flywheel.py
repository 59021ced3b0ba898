"""The flywheel turns: hosted answers make a model, which earns the right to answer, loses it and earns it again.

A real config, a ledger with contents, a loopback LLM as the teacher; promotion and quarantine come by themselves.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router import Router
from router.cli.main import main
from router.config import load_settings
from router.state.ledger import read_records
from router.stores import open_sink
from router.testing.upstream import Answer, Upstream
from router.types import Record

SYSTEM = (
    "Today is {day}. You sort notes for a newsletter. Classify each note as garden or sea. Answer with the label only."
)
PARTS = {
    "garden": ("the {a} roses need water", "plant {a} seeds in spring", "my {a} tomatoes grow behind the shed",
               "mow the {a} lawn", "cut the {a} hedge with shears", "rake {a} leaves from the path"),
    "sea": ("the {a} ship left the harbour", "a {a} whale near the reef", "sail the {a} boat to the island",
            "pull up the {a} anchor", "{a} waves hit the pier", "the {a} captain watched the tide"),
}  # fmt: skip
WORDS = (
    "old",
    "young",
    "tall",
    "red",
    "green",
    "small",
    "large",
    "quiet",
    "early",
    "late",
    "dry",
    "wet",
    "nice",
    "odd",
)
STRANGE = (
    "quarterly earnings of {a} banks rose", "the {a} parliament voted on taxes", "install {a} drivers for windows",
    "{a} goalkeeper saved a penalty", "the {a} court heard an appeal", "{a} vaccine trials begin in clinics",
)  # fmt: skip


class Teacher:
    """The hosted model: knows each note's label, and may change its mind."""

    def __init__(self) -> None:
        self.truth: dict[str, str] = {}
        self.is_turned = False

    def right(self, text: str) -> str:
        label = self.truth[text]
        return {"garden": "sea", "sea": "garden"}[label] if self.is_turned else label

    def __call__(self, body: Mapping[str, Any]) -> Answer:
        return Answer(text=self.right(body["messages"][-1]["content"]))


class Stream:
    """Requests of one template, with other words and another date each time."""

    def __init__(self, teacher: Teacher) -> None:
        self.teacher, self.draw = teacher, random.Random(1)

    async def send(self, router: Router, count: int, *, strange: bool = False) -> tuple[float, float]:
        """Shares of local and of right answers."""
        local = right = 0
        for _ in range(count):
            label = self.draw.choice(list(PARTS))
            forms = STRANGE if strange else PARTS[label]
            words = [self.draw.choice(forms).format(a=self.draw.choice(WORDS)) for _ in range(2)]
            text = " and ".join(words)
            self.teacher.truth[text] = label
            system = SYSTEM.format(day=f"November {self.draw.randint(1, 30)}, 2026")
            answer = await router.acomplete(
                messages=[{"role": "system", "content": system}, {"role": "user", "content": text}]
            )
            local += answer.decision.target.kind == "local"
            right += answer.text == self.teacher.right(text)
            await asyncio.sleep(0.001)  # a local answer waits for nothing, and audits are bounded in number
        return local / count, right / count

    async def until(self, router: Router, state: str, *, most: int, strange: bool = False) -> None:
        for _ in range(most // 10):
            if router.engine.lifecycle.state("notes") == state:
                return
            await self.send(router, 10, strange=strange)
            await asyncio.sleep(0.03)
        # What was compared is judged in a thread beside.
        for _ in range(50):
            if router.engine.lifecycle.state("notes") == state:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"not {state} after {most} requests: {router.engine.watch.standing('notes')}")

    async def audits(self, router: Router, least: int) -> list[Record]:
        """What was compared beside on the books: of how much there is time on a busy machine."""
        for _ in range(50):
            found = [each for each in router.engine.ledger.tail(1000) if each.decision.id.endswith("-audit")]
            if len(found) >= least:
                return found
            await self.send(router, 10)
            await asyncio.sleep(0.03)
        raise AssertionError(f"{len(found)} audits of local answers, not {least}")


def config(directory: Path, url: str, paths: str) -> Path:
    path = directory / "router.yaml"
    path.write_text(
        f"""
deployments:
  - {{name: big, model: big, backend: openai, api_base: {url}, price_per_million: {{input: $1, output: $4}}}}
ledger: {{path: ledger.jsonl, contents: true}}
local_models:
  shipped: false
  paths: {paths}
  flywheel: {{shadow: 100%, audit: 50%}}
""",
        encoding="utf-8",
    )
    return path


def train(path: Path, out: Path) -> None:
    """A model of the one template in the ledger, from the hosted answers, by the command that users have."""
    sink = open_sink(load_settings(path).ledger, path.parent)
    (template,) = {record.template for record in read_records(sink)}
    sink.close()
    arguments = ["--config", str(path), "--keep", "0.9", "--minutes", "0.02", "--no-plots", "--languages", "en"]
    with pytest.raises(SystemExit) as end:
        main(["train", "--from-ledger", template, "--out", str(out), *arguments])
    assert not end.value.code


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of ``router models ...``."""
    with pytest.raises(SystemExit) as end:
        main(["models", *arguments, "-c", "router.yaml"])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flywheel")


async def test_hosted_answers_make_a_model_that_earns_and_loses_the_right_to_answer(directory: Path) -> None:
    teacher = Teacher()
    stream = Stream(teacher)
    async with Upstream(default=teacher) as up:
        path = config(directory, up.url, "[]")
        async with Router.from_config(path) as router:
            assert await stream.send(router, 300) == (0.0, 1.0)
        await asyncio.to_thread(train, path, directory / "models" / "notes")
        path = config(directory, up.url, "[models/notes]")
        async with Router.from_config(path) as router:
            # In shadow: compared, and nothing changes.
            assert await stream.send(router, 20) == (0.0, 1.0)
            await stream.until(router, "serving", most=200)

            # It serves: mostly local, with the promised agreement, and audits on the books.
            local, right = await stream.send(router, 100)
            assert local >= 0.8
            assert right >= 0.9
            audits = await stream.audits(router, 11)
            assert all(each.nano_usd > 0 for each in audits)

            # The teacher changes its mind: quarantine, and hosted again.
            teacher.is_turned = True
            await stream.until(router, "quarantined", most=100)
            assert await stream.send(router, 20) == (0.0, 1.0)
            teacher.is_turned = False
            await stream.until(router, "serving", most=400)

            # Its inputs drift: what it does not know is hosted at once, and then it steps aside.
            local, right = await stream.send(router, 10, strange=True)
            assert (local, right) == (0.0, 1.0)
            await stream.until(router, "quarantined", most=200, strange=True)
    lives = [each.becomes for each in router.engine.lifecycle.history("notes")]
    assert lives == ["serving", "quarantined", "serving", "quarantined"]
    assert "inputs are unlike" in router.engine.lifecycle.history("notes")[-1].why


def test_the_life_is_told_and_changed_by_hand(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(directory)
    code, told, _ = command(capsys, "history", "notes")
    assert (code, told.count("by auto")) == (0, 4)
    code, _, error = command(capsys, "promote", "notes")
    assert code == 1
    assert "has not shown that it keeps its promise" in error
    assert "it is forced" in command(capsys, "promote", "notes", "--force", "--why", "fixed")[2]
    assert command(capsys, "demote", "notes")[1] == "notes: serving -> shadow\n"
    # A demotion of one's own is taken back without force.
    assert command(capsys, "promote", "notes")[1] == "notes: shadow -> serving\n"
    assert msgspec.json.decode(command(capsys, "list", "--json")[1])["states"] == {"notes": "serving"}


async def test_a_streamed_answer_is_compared_too(directory: Path) -> None:
    teacher = Teacher()
    stream = Stream(teacher)
    async with Upstream(default=teacher) as up:
        path = config(directory, up.url, "[models/notes]")
        async with Router.from_config(path) as router:
            router.engine.lifecycle.move("notes", "shadow", by="user")
            text = "the old ship left the harbour and green waves hit the pier"
            teacher.truth[text] = "sea"
            system = SYSTEM.format(day="November 3, 2026")
            chunks = await router.acomplete(
                messages=[{"role": "system", "content": system}, {"role": "user", "content": text}], stream=True
            )
            assert "".join([chunk.choices[0].delta.get("content") or "" async for chunk in chunks]) == "sea"
        router.engine.watch.follow()
        assert router.engine.watch.standing("notes").evidence.n == 1
    assert stream.teacher is teacher
