"""Signals of a policy's own, as its file writes them: `keywords`, `regex`, `examples` or `python`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ..signals.own import NOTHING, OwnSignal, plain, repeats_a_repeat
from .words import WORD, ShareNumber, Strict, Written, one_or_many

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


_BY_NAME = (BeforeValidator(_named), AfterValidator(_are_names), Written(_as_written))
_Keyword = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_keyword)]
_Keywords = Annotated[list[_Keyword], Field(min_length=1, max_length=2_000), *one_or_many]
_Pattern = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_pattern)]
_Patterns = Annotated[list[_Pattern], Field(min_length=1, max_length=200), *one_or_many]
_Sample = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"\S")]
_Samples = Annotated[list[_Sample], Field(min_length=1, max_length=2_000), *one_or_many]


class OwnSignalText(Strict):
    """A signal of your own, asked for under `custom`. It looks for one thing and is `true` or `false`, or for several
    by name and is the name of what it found, or `none`."""

    keywords: Annotated[dict[str, _Keywords], *_BY_NAME] | None = Field(
        default=None,
        description="Words and phrases, whatever their case: `[refund, money back, cancel*]`, or lists by name: "
        "`{angry: [furious], calm: [thanks]}`.",
    )
    regex: Annotated[dict[str, _Patterns], *_BY_NAME] | None = Field(
        default=None, description="Python regular expressions, or lists of them by name: `'ORD-[0-9]{6}'`."
    )
    examples: Annotated[dict[str, _Samples], *_BY_NAME] | None = Field(
        default=None,
        description="English texts, or lists of them by name; what is like one of them by its word vectors counts.",
    )
    python: Annotated[str, Field(max_length=300, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None = Field(
        default=None,
        description="A function of your own, `module:function`, that is given the request and returns `true` or "
        "`false`, one of `values`, or a number with `number`; None is unknown. It runs in a worker thread.",
    )
    values: Annotated[list[Annotated[str, Field(pattern=WORD)]], Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="For `python`: the words that it may return, beside `none`."
    )
    threshold: Annotated[ShareNumber, Field(gt=0, le=1)] | None = Field(
        default=None, description="For `examples`: the least cosine of the vectors (60 % when left out)."
    )
    read: Literal["last", "user", "all"] = Field(
        default="last", description="The last message of the user, all of the user's, or the whole conversation."
    )
    number: bool = Field(
        default=False,
        description="It is a number instead: how many different keywords or patterns are found, the cosine to the "
        "nearest example, or what the function returns.",
    )
    description: str = Field(default="", max_length=2_000, description="What it is for.")

    @model_validator(mode="after")
    def _is_one_kind(self) -> OwnSignalText:
        kinds = [name for name in ("keywords", "regex", "examples", "python") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError("a signal has one of keywords, regex, examples and python")
        if self.python is not None:
            self._fits_a_function()
            return self
        if self.values is not None:
            raise ValueError("values are what a function may return; they go with python alone")
        if self.threshold is not None and (self.examples is None or self.number):
            raise ValueError("threshold says from where a text is like the examples; it goes with examples alone")
        if self.number and "" not in getattr(self, kinds[0]):
            raise ValueError("number counts one thing; it does not go with lists by name")
        return self

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
