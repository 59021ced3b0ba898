"""Signals of a policy's own, as its file writes them: `keywords`, `regex`, `examples` or `python`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from ..signals.own import NOTHING, OwnSignal, plain, repeats_a_repeat
from ..spec import After, Before, Spec, Written
from .words import WORD, ShareNumber, Strict, one_or_many

__all__ = ["OwnSignalText", "own_signals"]


def _pattern(written: str) -> str:
    try:
        is_endless = repeats_a_repeat(written)
    except re.error as error:
        raise ValueError(f'"{written}" is no regular expression: {error}') from error
    if is_endless:
        raise ValueError(f'"{written}" repeats a repeat, which can take for ever; write it without the inner one')
    return written


def _keyword(written: str) -> str:
    word = plain(written)
    if not word.strip(" *") or "*" in word.removesuffix("*"):
        raise ValueError(f'"{written}" is no keyword; write words, with * at the end for all that begin so')
    return written


def _named(value: Any) -> Any:
    """Texts by name; a truth value has one nameless list."""
    return {"": value} if isinstance(value, str | list) else value


def _as_written(schema: dict[str, Any]) -> dict[str, Any]:
    options = schema["additionalProperties"]["anyOf"]
    return {"anyOf": [*options, {**schema, "propertyNames": {"pattern": WORD}, "minProperties": 1}]}


def _are_names(found: dict[str, list[str]]) -> dict[str, list[str]]:
    if not found:
        raise ValueError("there is nothing to look for")
    for name in found:
        if name == NOTHING or not re.fullmatch(WORD, name or "nameless"):
            raise ValueError(f'"{name}" cannot be a name here; it is a word, and "{NOTHING}" is what nothing found is')
    return found


_BY_NAME = (Before(_named), After(_are_names), Written(_as_written))
_Keyword = Annotated[str, Spec(min_length=1, max_length=200), After(_keyword)]
_Keywords = Annotated[list[_Keyword], Spec(min_length=1, max_length=2_000), *one_or_many]
_Pattern = Annotated[str, Spec(min_length=1, max_length=1_000), After(_pattern)]
_Patterns = Annotated[list[_Pattern], Spec(min_length=1, max_length=200), *one_or_many]
_Sample = Annotated[str, Spec(min_length=1, max_length=2_000, pattern=r"\S")]
_Samples = Annotated[list[_Sample], Spec(min_length=1, max_length=2_000), *one_or_many]


class OwnSignalText(Strict, frozen=True, kw_only=True):
    """A signal of your own, asked for under `custom`. It looks for one thing and is `true` or `false`, or for several
    by name and is the name of what it found, or `none`."""

    keywords: Annotated[
        Annotated[dict[str, _Keywords], *_BY_NAME] | None,
        Spec(
            description="Words and phrases, whatever their case: `[refund, money back, cancel*]`, or lists by name: "
            "`{angry: [furious], calm: [thanks]}`."
        ),
    ] = None
    regex: Annotated[
        Annotated[dict[str, _Patterns], *_BY_NAME] | None,
        Spec(description="Python regular expressions, or lists of them by name: `'ORD-[0-9]{6}'`."),
    ] = None
    examples: Annotated[
        Annotated[dict[str, _Samples], *_BY_NAME] | None,
        Spec(
            description="English texts, or lists of them by name; what is like one of them by its word vectors counts."
        ),
    ] = None
    python: Annotated[
        Annotated[str, Spec(max_length=300, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None,
        Spec(
            description="A function of your own, `module:function`, that is given the request and returns `true` or "
            "`false`, one of `values`, or a number with `number`; None is unknown. It runs in a worker thread."
        ),
    ] = None
    values: Annotated[
        Annotated[list[Annotated[str, Spec(pattern=WORD)]], Spec(min_length=1, max_length=200)] | None,
        Spec(description="For `python`: the words that it may return, beside `none`."),
    ] = None
    threshold: Annotated[
        Annotated[ShareNumber, Spec(gt=0, le=1)] | None,
        Spec(description="For `examples`: the least cosine of the vectors (60 % when left out)."),
    ] = None
    read: Annotated[
        Literal["last", "user", "all"],
        Spec(description="The last message of the user, all of the user's, or the whole conversation."),
    ] = "last"
    number: Annotated[
        bool,
        Spec(
            description="It is a number instead: how many different keywords or patterns are found, the cosine to the "
            "nearest example, or what the function returns."
        ),
    ] = False
    description: Annotated[str, Spec(max_length=2_000, description="What it is for.")] = ""

    def __post_init__(self) -> None:
        kinds = [name for name in ("keywords", "regex", "examples", "python") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError("a signal has one of keywords, regex, examples and python")
        if self.python is not None:
            self._fits_a_function()
            return
        if self.values is not None:
            raise ValueError("values are what a function may return; they go with python alone")
        if self.threshold is not None and (self.examples is None or self.number):
            raise ValueError("threshold says from where a text is like the examples; it goes with examples alone")
        if self.number and "" not in getattr(self, kinds[0]):
            raise ValueError("number counts one thing; it does not go with lists by name")

    def _fits_a_function(self) -> None:
        if self.threshold is not None or self.read != "last":
            raise ValueError("a function reads the whole request itself; threshold and read do not go with python")
        if self.values is not None and (self.number or NOTHING in self.values):
            raise ValueError(f'values do not go with number, and "{NOTHING}" is always one of them')


def own_signals(written: Mapping[str, OwnSignalText]) -> dict[str, OwnSignal]:
    """The signals, by name, as detectors are made of them."""
    found: dict[str, OwnSignal] = {}
    for name, text in written.items():
        function = None if text.python is None else {word: [text.python] for word in text.values or [""]}
        sought = {"keywords": text.keywords, "regex": text.regex, "examples": text.examples, "python": function}
        for kind, listed in sought.items():
            if listed is not None:
                found[name] = OwnSignal(
                    name=name,
                    kind=kind,  # type: ignore[arg-type]
                    sought={each: tuple(texts) for each, texts in listed.items()},
                    read=text.read,
                    is_number=text.number,
                    **({} if text.threshold is None else {"threshold": text.threshold}),
                )
    return found
