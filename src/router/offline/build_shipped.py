"""``python -m router.offline.build_shipped --data DIR --out DIR``: make the shipped models and write their figures."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ..errors import ConfigError
from ..local.base import CardedModel
from ..local.load import load_local_model
from .embedding import EmbeddingMaker
from .fit import LinearMaker
from .label_heads import Helper
from .measure import figures, latency_us, ood_figures
from .promise import Goal
from .recipes import ATTRIBUTION, RECIPES, Recipe, Source
from .rows import Rows, is_kept_for, joined, rows_hash
from .written import written_rows

__all__ = ["build", "main", "read_rows"]

# Texts that are for none of these models: other sets' training rows, and requests that ask for another kind of work.
_OUTLIERS = (
    "arxiv_subject", "clickbait", "civil_toxic", "comparative_sentences", "dynasent", "edos_sexism", "germeval18_de",
    "goemotions_28", "home_intents", "multidogo", "nsmc_ko", "pros_cons", "sms_spam", "snips", "subjectivity",
    "wisesight_th", "xed_emotion_en", "xed_sentiment_es",
)  # fmt: skip
_PROMPTS = frozenset(
    {
        "arithmetic_reasoning", "closed_book_qa", "code", "commonsense_reasoning", "information_extraction",
        "open_generation", "paraphrase_rewrite", "reading_comprehension", "summarization", "symbolic_manipulation",
        "translation",
    }
)  # fmt: skip
_PER_ORIGIN = 700
_WRITTEN = "sentences written for this project, Apache-2.0"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a gzipped JSON Lines file, none when it does not exist."""
    if not path.is_file():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_source(data: Path, source: Source, split: str) -> Rows:
    """A set's rows under the model's labels."""
    texts, labels = [], []
    for row in read_rows(data / source.set / f"{split}.jsonl.gz"):
        label = row["label"] if source.labels is None else source.labels.get(row["label"])
        if label is not None:
            texts.append(row["text"])
            labels.append(label)
    return Rows(texts=tuple(texts), labels=tuple(labels), languages=(source.language,) * len(texts))


def training_rows(data: Path, source: Source) -> tuple[Rows, Rows]:
    """``(rows to fit, rows to calibrate)``: the set's own validation rows, and a share of its training rows."""
    rows, calibration = read_source(data, source, "train"), read_source(data, source, "val")
    hold = source.hold or (0.0 if len(calibration) else 0.1)
    if hold:
        held = [is_kept_for(text, hold, source.set) for text in rows.texts]
        calibration = joined([calibration, rows.pick([index for index, kept in enumerate(held) if kept])])
        rows = rows.pick([index for index, kept in enumerate(held) if not kept])
    order = np.random.default_rng(7).permutation(len(rows))[: source.cap]
    rows = rows.pick(np.sort(order))
    calibration = calibration.pick(np.random.default_rng(5).permutation(len(calibration))[: source.calibrate])
    return msgspec.structs.replace(rows, weights=(source.weight,) * len(rows)), calibration


def plain_rows(data: Path, recipe: Recipe) -> tuple[Rows, Rows]:
    """Everyday text that belongs to the model's harmless label: without it, every rare word looks guilty."""
    fit: list[str] = []
    calibrate: list[str] = []
    for name in recipe.plain:
        source = Source(set=f"experts_permissive/{name}", cap=700)
        if name == "goemotions_sentiment":
            source = msgspec.structs.replace(source, labels={"positive": "", "neutral": ""}, cap=3000)
        if name == "sms_spam":
            source = msgspec.structs.replace(source, labels={"ham": ""})
        rows, calibration = training_rows(data, source)
        fit += rows.texts
        calibrate += calibration.texts[:150]
    label = recipe.plain_label
    return (
        Rows(texts=tuple(fit), labels=(label,) * len(fit), weights=(1.0,) * len(fit)),
        Rows(texts=tuple(calibrate), labels=(label,) * len(calibrate), languages=("en",) * len(calibrate)),
    )


def outlier_texts(data: Path, recipe: Recipe) -> dict[str, list[str]]:
    """Training texts of sets that the model is not for, by origin."""
    mine = {source.set.split("/")[1].split("_")[0] for source in recipe.sources} | {
        name.split("_")[0] for name in recipe.plain
    }
    origins = {name: f"experts_permissive/{name}" for name in _OUTLIERS}
    origins |= {"clinc150": "experts/clinc150", "banking77": "experts/banking77"}
    found: dict[str, list[str]] = {}
    for name, folder in origins.items():
        if name.split("_")[0] in mine:
            continue
        texts = [row["text"] for row in read_rows(data / folder / "train.jsonl.gz")]
        found[name] = [texts[index] for index in np.random.default_rng(3).permutation(len(texts))[:_PER_ORIGIN]]
    for row in read_rows(data / "tasks" / "chat_train.jsonl.gz"):
        if row["task"] in _PROMPTS:
            found.setdefault(f"prompt:{row['task']}", []).append(row["prompt"])
    return found


def build(recipe: Recipe, data: Path, out: Path) -> CardedModel:
    """Train, measure and write one model; returns it as it was loaded back from disk.

    Raises:
        ConfigError: a data set of its recipe, or one of those that it is told from, is not there.
    """
    sets = sorted({source.set for source in recipe.sources} | {f"experts_permissive/{name}" for name in recipe.plain})
    needed = {*sets, *(f"experts_permissive/{name}" for name in _OUTLIERS)}
    missing = sorted(name for name in needed if not (data / name / "train.jsonl.gz").is_file())
    if missing:
        raise ConfigError(
            f"the model {recipe.name} is made of data sets that are not there: {', '.join(missing)}.",
            file=str(data),
            hint="Each is a folder with train.jsonl.gz.",
        )
    started = time.perf_counter()
    parts = [training_rows(data, source) for source in recipe.sources]
    if recipe.plain:
        parts.append(plain_rows(data, recipe))
    written = written_rows(recipe.name)
    rows = msgspec.structs.replace(joined([*(fit for fit, _ in parts), _of_pairs(written)]), languages=())
    calibration = joined([held for _, held in parts])
    known = set(rows.texts)
    calibration = calibration.pick([i for i, text in enumerate(calibration.texts) if text not in known])
    kind = EmbeddingMaker if recipe.maker == "embedding" else LinearMaker
    with Helper() as helper:
        maker = kind(
            spec=recipe.spec,
            c=recipe.c,
            balanced=recipe.balanced,
            keep=recipe.keep,
            goal=Goal(max_error=recipe.max_error),
            language_errors=recipe.language_errors,
            prune=recipe.prune,
            known_from=recipe.known_from,
            typos=recipe.typos,
            spells=recipe.spells,
            contrast=recipe.contrast,
            helper=helper,
        ).fit(rows, calibration, outlier_texts(data, recipe))
    card = maker.card(
        name=recipe.name,
        task=recipe.task,
        also_tasks=recipe.also_tasks,
        languages=tuple(
            language
            for language in recipe.languages
            if language not in maker.thresholds_.by_language or maker.thresholds_.by_language[language].is_kept
        ),
        rows=len(rows),
        licence="Apache-2.0; trained on the sets named under sources, see NOTICE",
        data_hash=rows_hash(rows, calibration),
        aliases={label: spellings for label, spellings in recipe.aliases.items() if label in maker.classes_},
        description=recipe.description,
        sources=(*(ATTRIBUTION[name] for name in sets), *((_WRITTEN,) if written else ())),
        limits=recipe.limits,
    )
    card = maker.export(out / recipe.name, card)
    model = load_local_model(out / recipe.name)
    metrics = measured(model, recipe, data)
    card = msgspec.structs.replace(card, metrics=metrics, latency_us=round(latency_us(model), 1))
    maker.export(out / recipe.name, card)
    _say(f"{recipe.name}: {len(rows)} rows, {time.perf_counter() - started:.0f} s, {maker.thresholds_.promise}")
    for name, found in metrics.items():
        _say(f"  {name}: {json.dumps(found)}")
    return load_local_model(out / recipe.name)


def measured(model: CardedModel, recipe: Recipe, data: Path) -> dict[str, Any]:
    """Figures on rows kept out of fitting and calibration: each source's test split, unseen sets, outsiders."""
    metrics: dict[str, Any] = {}
    for source in (*recipe.sources, *recipe.unseen):
        test = read_source(data, source, "test")
        if not len(test):
            continue
        name = source.set.split("/")[1]
        predictions = model.predict(test.texts)
        found = figures(model.card, predictions, test.labels, language=source.language)
        found["seen_domain"] = source in recipe.sources
        outsiders = [row["text"] for row in read_rows(data / source.set / "ood.jsonl.gz")]
        if outsiders and source in recipe.sources:
            found |= ood_figures(model.card, predictions, model.predict(outsiders))
        metrics[name] = found
    return metrics


def _of_pairs(pairs: Sequence[tuple[str, str]]) -> Rows:
    return Rows(
        texts=tuple(text for text, _ in pairs),
        labels=tuple(label for _, label in pairs),
        weights=(0.8,) * len(pairs),
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None, recipes: Mapping[str, Recipe] = RECIPES) -> None:
    """Build the models named on the command line, all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory with experts/ and experts_permissive/")
    parser.add_argument("--out", type=Path, required=True, help="where to write one directory a model")
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(recipes)}")
    chosen = parser.parse_args(arguments)
    for name in chosen.names or [name for name, recipe in recipes.items() if recipe.is_shipped]:
        if name not in recipes:
            parser.error(f"no recipe is called {name!r}; there are: {', '.join(recipes)}")
        build(recipes[name], chosen.data, chosen.out)


if __name__ == "__main__":
    main()
