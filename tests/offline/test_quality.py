"""Quality is learnt from outcomes, saved, served, and weighs in the choice below the rules."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import Router, features
from router.errors import ConfigError, RequestError
from router.local.files import read_arrays, write_arrays
from router.local.static import shipped_encoder
from router.offline.evaluate import calibration_error, report
from router.offline.fit_quality import QualityFit, save_quality
from router.offline.outcomes import Outcomes, read_outcomes
from router.offline.rivals import RIVALS
from router.offline.routing_curves import apgr
from router.signals.quality import quality_from_arrays
from router.signals.surface import SURFACE, surface_of
from router.types import Message, Request, Signal, Signals

EASY = "say name list tell show give find the colour capital animal river town a simple short word of".split()  # noqa: SIM905
HARD = "prove derive integral theorem asymptotic eigenvalue lemma homotopy recursion invariant".split()  # noqa: SIM905


def outcomes(count: int = 400, seed: int = 7) -> list[dict[str, object]]:
    """Words tell which model is right: the small one fails at hard prompts."""
    chance = random.Random(seed)
    rows: list[dict[str, object]] = []
    for number in range(count):
        is_hard = chance.random() < 0.5
        words = chance.choices(EASY, k=8 if is_hard else 11) + (chance.choices(HARD, k=3) if is_hard else [])
        chance.shuffle(words)
        prompt = " ".join([*words, str(number)])
        small, large = (0.1, 0.95) if is_hard else (0.95, 0.93)
        for model, chance_right, usd in (("small", small, 0.001), ("large", large, 0.02)):
            score = float(chance.random() < chance_right)
            rows.append({"prompt": prompt, "model": model, "score": score, "cost_usd": usd, "dataset": "toy"})
    return rows


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outcomes") / "toy.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in outcomes()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def learnt(file: Path) -> QualityFit:
    return QualityFit(alphas=(10.0, 100.0)).fit(read_outcomes([file]))


def test_what_is_learnt_tells_hard_from_easy(learnt: QualityFit) -> None:
    hard, easy = learnt.predict(["prove the lemma of a theorem", "tell the colour of a river"])
    small, large = learnt.models_.index("small"), learnt.models_.index("large")
    assert hard[large] - hard[small] > 0.3
    assert abs(easy[large] - easy[small]) < 0.2


def test_what_is_served_is_what_was_learnt(learnt: QualityFit, tmp_path: Path) -> None:
    save_quality(learnt, tmp_path / "q.safetensors")
    served = quality_from_arrays(*read_arrays(tmp_path / "q.safetensors"))
    for prompt in ("prove the lemma", "tell the colour", "wholly other words"):
        found = served.predict(prompt)
        assert found is not None
        expected = np.clip(learnt.predict([prompt])[0], 0, 1)
        assert [found[name] for name in learnt.models_] == pytest.approx(expected.tolist(), abs=0.02)
    assert served.predict(" \n") is None


def test_routing_by_it_beats_the_best_model_at_its_cost(file: Path) -> None:
    found = report(read_outcomes([file]), ("router", "length"), draws=40, folds=3)
    ours = found["routers"]["router"]
    assert found["pair"] == ["small", "large"]
    assert ours["pair"]["apgr"]["interval"][0] > 0.6
    assert ours["many"]["saving_at_95_percent"] > 0.3
    assert ours["pair"]["apgr"]["value"] <= found["oracle_apgr"]
    assert ours["pair"]["ece"]["weak"] < 0.15


def test_calibration_error_is_the_mean_distance() -> None:
    scores = np.array([0.0, 1.0] * 50)
    assert calibration_error(np.full(100, 0.5), scores) == pytest.approx(0.0)
    assert calibration_error(np.full(100, 0.8), scores) == pytest.approx(0.3)
    assert calibration_error(scores, scores) == 0.0
    assert calibration_error(1 - scores, scores) == 1.0


def test_every_predictor_is_measured_alike(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in outcomes(160)), encoding="utf-8")
    found = report(read_outcomes([path]), tuple(RIVALS), draws=20, folds=2)["routers"]
    assert set(found) == set(RIVALS) >= {"router", "knn", "mlp", "mf", "routes", "length"}
    for name, figures in found.items():
        assert 0.0 < figures["pair"]["apgr"]["value"] < found_oracle(path), name
        assert figures["us"] > 0
    assert found["routes"]["pair"]["apgr"]["value"] > 0.5


def several_sets(path: Path) -> Outcomes:
    """Two sets of the same words, and one whose words no other set has."""
    rows = []
    for seed, name in enumerate(("first", "second", "apart")):
        for each in outcomes(150, seed):
            prompt = str(each["prompt"])
            words = " ".join(word[::-1] for word in prompt.split()) if name == "apart" else prompt
            rows.append({**each, "prompt": f"{words} {name}", "dataset": name})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_outcomes([path])


def test_a_set_that_is_left_out_is_told_from_the_others_alone(tmp_path: Path) -> None:
    sets = several_sets(tmp_path / "sets.jsonl")
    seen, left = (
        report(sets, ("router",), draws=20, folds=3, by_dataset=apart)["routers"]["router"]["datasets"]
        for apart in (False, True)
    )
    assert set(seen) == set(left) == {"first", "second", "apart"}
    assert left["first"]["prompts"] == 150
    # What two sets share helps either; nobody has seen the words of the third.
    assert left["first"]["apgr"]["interval"][0] > 0.6
    assert left["apart"]["apgr"]["value"] < seen["apart"]["apgr"]["value"] - 0.1


def test_one_set_alone_cannot_be_left_out(file: Path) -> None:
    with pytest.raises(RequestError, match="one data set only"):
        report(read_outcomes([file]), ("router",), draws=20, by_dataset=True)


def found_oracle(path: Path) -> float:
    scores = read_outcomes([path]).scores
    return apgr(scores[:, 1] - scores[:, 0], scores[:, 0], scores[:, 1]) + 1e-9


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000) | st.text(max_size=400).map(str.encode))
def test_surface_is_finite_for_any_bytes(data: bytes) -> None:
    found = surface_of(data)
    assert found.shape == (len(SURFACE),)
    assert np.isfinite(found).all()


def test_surface_is_that_of_the_last_question() -> None:
    asked = b"which is largest?\na. 12\nb. 3.5\nc. rome\nd. not known"
    found = dict(zip(SURFACE, surface_of(b"an example\n\n" * 9 + asked), strict=True))
    assert found == dict(zip(SURFACE, surface_of(asked), strict=True))
    assert (found["options"], found["options_with_numbers"], found["decimals"], found["negated"]) == (4, 2, 1, 1)
    assert found["questions"] == pytest.approx(1 / len(asked))


def test_surface_tells_which_options_take_up_the_questions_words() -> None:
    question = b"which of these mirrors reflect light?\na) %s\nb) a wooden table\nanswer:"
    echoes, echoed = SURFACE.index("echoes"), SURFACE.index("echoed")
    apart, near = surface_of(question % b"a glass of water"), surface_of(question % b"a mirror reflecting lights")
    assert apart[echoes] == apart[echoed] == 0.0
    assert near[echoes] == pytest.approx(np.log1p(3))
    assert near[echoed] == pytest.approx(3 / 5)
    assert surface_of(b"mirrors reflect light. is it so?")[echoes] == 0.0


def test_words_that_were_never_seen_count_like_their_neighbours() -> None:
    chance = np.random.default_rng(3)
    animals, sums = ("dog", "horse", "wolf", "goat"), ("integral", "equation", "algebra", "polynomial")
    prompts, scores = [], []
    for at in range(400):
        hard = at % 2
        words = chance.choice(sums if hard else animals, 3)
        prompts.append(f"about {' '.join(words)} {at}")
        scores.append([0.1 if hard else 0.9, 0.9])
    fit = QualityFit().fit(
        Outcomes(tuple(prompts), ("d",) * 400, ("small", "large"), np.array(scores), np.full((400, 2), np.nan))
    )
    hard, easy = fit.predict(["about theorem calculus geometry 7", "about cat sheep cow 7"])
    assert hard[0] < easy[0] - 0.1


def test_few_known_words_share_their_weights(learnt: QualityFit) -> None:
    words, keys = learnt.serving().facts.words, shipped_encoder().keys
    assert len(np.unique(keys >> np.uint32(32 - words.bits))) > 0.95 * len(keys)


def test_what_is_gained_is_most_between_what_all_can_and_what_none_can() -> None:
    chance = random.Random(3)
    sizes = [chance.randrange(1, 12) for _ in range(600)]

    def prompt(hard: int) -> str:
        # Words of one length, the hard ones together: neither looks nor pairs of neighbours tell the middle.
        abstract, plain = "lemma proof limit field graph basis".split(), "river tower apple chair bread stone".split()  # noqa: SIM905
        return " ".join(chance.choices(abstract, k=hard) + chance.choices(plain, k=12 - hard))

    prompts = tuple(map(prompt, sizes))
    right = [[chance.random() < (0.95 if hard < most else 0.05) for most in (4, 9)] for hard in sizes]
    scores = np.array(right, np.float64)
    fit = QualityFit(alphas=(1.0, 10.0)).fit(
        Outcomes(prompts, ("toy",) * 600, ("small", "large"), scores, np.full((600, 2), np.nan))
    )
    asked = [prompt(hard) for hard in (1, 6, 11) for _ in range(20)]
    found = fit.predict(asked)
    easy, middle, hard = (found[:, 1] - found[:, 0]).reshape(3, 20).mean(axis=1)
    assert middle > max(easy, hard) + 0.3
    served = fit.serving()
    for text, expected in zip(asked, np.clip(found, 0, 1).tolist(), strict=True):
        assert list((served.predict(text) or {}).values()) == pytest.approx(expected, abs=0.05)


def test_without_signal_the_best_model_is_kept() -> None:
    chance = np.random.default_rng(1)
    prompts = tuple(f"{word} {number}" for number, word in enumerate(["alpha", "beta", "gamma"] * 100))
    scores = (chance.random((300, 3)) < [0.4, 0.5, 0.8]).astype(float)
    fit = QualityFit(alphas=(100.0,)).fit(
        Outcomes(prompts, ("d",) * 300, ("a", "b", "c"), scores, np.full((300, 3), 0.1))
    )
    assert (fit.predict([f"beta {number}" for number in range(50)]).argmax(1) == 2).all()


def test_too_few_prompts_are_refused(file: Path) -> None:
    with pytest.raises(RequestError, match="too few"):
        QualityFit().fit(read_outcomes([file]).take(np.arange(20)))


CONFIG = """
quality: {path}
deployments:
  - {{name: small, model: openai/small, tier: small, backend: openai, api_base: "http://127.0.0.1:9/v1"}}
  - {{name: large, model: openai/large, tier: large, backend: openai, api_base: "http://127.0.0.1:9/v1",
      price_per_million: {{input: 10, output: 30}}}}
local_models: {{shipped: false}}
"""


def test_a_router_weighs_what_was_learnt(learnt: QualityFit, tmp_path: Path) -> None:
    save_quality(learnt, tmp_path / "q.safetensors")
    (tmp_path / "router.yaml").write_text(CONFIG.format(path="q.safetensors"), encoding="utf-8")
    with Router.from_config(tmp_path / "router.yaml") as router:
        decision = router.decide("write a short story: derive the homotopy lemma, an eigenvalue theorem")
        plain = router.decide("write a short story: tell the colour of a river")
    quality = {candidate.model: candidate.estimate.quality for candidate in decision.candidates}
    assert quality["large"] > quality["small"] + 0.2
    assert decision.target.model == "large"
    assert plain.target.model == "small"
    assert decision.signals["quality"].detector.startswith("quality-")


def test_quality_first_follows_what_was_learnt(learnt: QualityFit, tmp_path: Path) -> None:
    save_quality(learnt, tmp_path / "q.safetensors")
    learned = CONFIG.format(path="q.safetensors")
    prompts = {
        "hard": "write a short story: derive the homotopy lemma, an eigenvalue theorem",
        "easy": "write a short story: tell the colour of a river, name the capital, list a simple animal",
    }
    tiers = {}
    for name, text in (("learned", learned), ("not learned", learned.replace("quality: q.safetensors", ""))):
        (tmp_path / "router.yaml").write_text(text, encoding="utf-8")
        with Router.from_config(tmp_path / "router.yaml", policy="quality-first") as router:
            tiers[name] = {kind: router.decide(prompt).target.tier for kind, prompt in prompts.items()}
    assert tiers["learned"] == {"hard": "large", "easy": "small"}
    assert tiers["not learned"] == {"hard": "large", "easy": "large"}


@pytest.mark.parametrize("is_compiled", [True, False])
def test_confidence_is_the_share_of_known_words(
    learnt: QualityFit, monkeypatch: pytest.MonkeyPatch, is_compiled: bool
) -> None:
    if not is_compiled:
        monkeypatch.setattr(features, "compiled", None)
    detector = learnt.serving()

    def told(text: str) -> Signal[Any]:
        request = Request(messages=(Message(role="user", text=text),))
        return Signals(request, {"quality": detector})["quality"]

    known = "derive the homotopy lemma"
    assert told(known).confidence == 1.0
    assert told(f"{known} zxcvb qwopu mnbvc tyuio").confidence == pytest.approx(0.5)
    assert told("今天天气很好").confidence < 0.1
    assert told("").value is None
    expected = dict(zip(learnt.models_, np.clip(learnt.predict([known])[0], 0.0, 1.0).tolist(), strict=True))
    assert told(known).value == pytest.approx(expected, abs=0.02)


def test_a_file_about_nobody_who_can_be_asked_is_refused(learnt: QualityFit, tmp_path: Path) -> None:
    save_quality(learnt, tmp_path / "q.safetensors")
    config = tmp_path / "router.yaml"
    config.write_text(CONFIG.format(path="q.safetensors").replace("name: ", "name: my-"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"q\.safetensors tells of small, large.*my-small \(openai/small\)"):
        Router.from_config(config)
    config.write_text(config.read_text().replace("my-small", "small"), encoding="utf-8")
    with Router.from_config(config) as router:
        found = router.decide("write a short story: tell the colour of a river")
    quality = {candidate.model: candidate.estimate.quality for candidate in found.candidates}
    assert quality["small"] == pytest.approx(found.signals["quality"].value["small"])


@pytest.mark.parametrize(
    "harm", ["cut", "format", "unmarked", "shape", "missing", "array", "spread", "bits", "shift", "weight", "twice"]
)
def test_a_wrong_file_is_refused(learnt: QualityFit, tmp_path: Path, harm: str) -> None:
    path = tmp_path / "q.safetensors"
    save_quality(learnt, path)
    arrays, metadata = read_arrays(path)
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "format":
        write_arrays(path, arrays, {**metadata, "format": "other"})
    elif harm == "unmarked":
        write_arrays(path, arrays, {"facts": metadata["facts"]})
    elif harm == "array":
        write_arrays(path, {name: array for name, array in arrays.items() if name != "word_table"}, metadata)
    elif harm == "spread":
        write_arrays(path, {**arrays, "spread": np.zeros_like(arrays["spread"])}, metadata)
    elif harm == "weight":
        table = arrays["table"].copy()
        table[0, 0] ^= 1
        write_arrays(path, {**arrays, "table": table}, metadata)
    elif harm == "twice":
        write_arrays(path, arrays, {**metadata, "facts": metadata["facts"].replace('"large"', '"small"')})
    elif harm in ("bits", "shift"):
        facts = json.loads(metadata["facts"])
        facts["words"]["bits"] = 60 if harm == "bits" else 18
        facts["shifts"] = {"small": {"*": 7.0}} if harm == "shift" else {}
        write_arrays(path, arrays, {**metadata, "facts": json.dumps(facts)})
    elif harm == "shape":
        write_arrays(path, {**arrays, "bias": arrays["bias"][:1].copy()}, metadata)
    else:
        path.unlink()
    (tmp_path / "router.yaml").write_text(CONFIG.format(path="q.safetensors"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"q\.safetensors"):
        Router.from_config(tmp_path / "router.yaml")


def test_commands(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "router", *arguments], capture_output=True, text=True, check=False)

    small = tmp_path / "small.jsonl"
    small.write_text("".join(json.dumps(row) + "\n" for row in outcomes(160)), encoding="utf-8")
    made = run("train-quality", "--outcomes", str(small), "--out", str(tmp_path / "q.safetensors"))
    assert made.returncode == 0, made.stderr
    assert "APGR" in made.stderr
    assert quality_from_arrays(*read_arrays(tmp_path / "q.safetensors")).facts.models == ("small", "large")
    measured = run("bench", str(small), "--json", "--draws", "20", "--folds", "2")
    assert measured.returncode == 0, measured.stderr
    assert json.loads(measured.stdout)["routers"]["router"]["pair"]["apgr"]["value"] > 0.55
    several_sets(tmp_path / "sets.jsonl")
    shown = run("bench", str(tmp_path / "sets.jsonl"), "--leave-dataset-out", "--draws", "20")
    assert "each data set from the others" in shown.stdout, shown.stderr
    assert "APGR within each data set" in shown.stdout
    assert "second" in shown.stdout
    wrong = run("bench", str(small), "--rival", "oracle-of-delphi")
    assert wrong.returncode == 1
    assert "There are:" in wrong.stderr
