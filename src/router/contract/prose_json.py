"""The JSON that an instruction asks for: the key in plain words, a list, or a JSON Schema pasted into the prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..patterns import late_pattern

__all__ = ["asks_for_json", "forbids_json", "json_key", "pasted_schema", "schema_examples", "without_appended"]

_KEY = late_pattern(r"[\"'“]([\w][\w -]{0,40})[\"'”]\s*:")
_BARE_KEY = late_pattern(r"[{,;]\s*(\w{1,40})\??\s*:")
_NAMED_KEY = late_pattern(
    r"\b(?:keys?|fields?|property|attribute|schlüssel|clé|clave|chave|chiave|feld|champ|"
    r"campo|ключ\w*|поле\w*|nøglen?|nyckeln?|kluczem?|anahtarı?|sleutel|"
    r"veld)\b[^\n\"'`«“.]{0,30}[\"'`«“](\w{1,40})[\"'`»”]|"
    r"\b(?:key|field) (\w{1,20}_\w{1,20})\b|^[ \t]*(\w{1,40}): (?:Literal\[|typing\.Literal\[)|"
    r"[\"'`](\w{1,40})[\"'`] (?:key|field|property|attribute)\b|"
    r"\b(?:key|field|property|attribute)(?: (?:is|named|called|must be|should be|=)|:) (\w{1,30})(?=[.,;!)\n]|\Z)|"
    r"\b(?:key|field|property) (\w{1,30})(?= (?:only|holding|containing|whose|that|which|with|set)\b|[.,;)\n]|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
_SLOT = late_pattern(r"(?<=[\"'])\{\w{1,40}\}")
_BRACES = late_pattern(r"\{[^{}]{0,8000}\}")
_ARRAY = late_pattern(
    r"\bjson[- ](?:array|liste?)\b|\b(?:array|tableau|lista|matriz|lijst|elenco|liste) json\b|"
    r"\bjson (?:array|list)s? of\b",
    re.IGNORECASE,
)
_LISTED = late_pattern(
    r"\b(?:value|holds|containing|with|is)\b[^.\n]{0,24}\b(?:list|array) of (?:all )?(?:the )?(?:matching |"
    r"applicable )?"
    r"(?:labels|tags|categories|topics|strings|values)\b",
    re.IGNORECASE,
)
_PER = late_pattern(r"\b(?:per|for each|for every|each) (?:row|line|item|entry|text|message|record)\b", re.IGNORECASE)
_NESTED = late_pattern(r"(?<!\{)\{(?!\{)[^{}]{1,200}:\s*\{(?!\{)")
_MOST = 12
_DECODER = json.JSONDecoder(strict=False)
# What LangChain's output parser says of schemas in general, with an example of its own.
_EXAMPLES = late_pattern(
    r"As an example, for the schema \{.{10,400}?\}\s*the object \{.{5,200}?\} is a well-formatted "
    r"instance of the schema\.\s*"
    r"The object \{.{5,200}?\} is not well-formatted\.",
    re.DOTALL,
)


# "You get a record as JSON": what comes in, not what is to go out.
_JSON_INPUT = late_pattern(
    r"(?:^|(?<=[.\n])) ?(?!(?:[^.\n]*\b(?:return|respond|reply|output|answer)\b))[^.\n]*\b(?:input|inputs|"
    r"you(?:'ll| will)? (?:get|receive|"
    r"are given|will (?:get|receive|be given|see))|comes? as|is given as|sends?|arrives? as|wrapped in|"
    r"look(?:ing)? (?:only )?at|inside|payload|record|contained in)\b[^.\n]*"
)
_NO_JSON = late_pattern(
    r"\b(?:no|not|kein|never|without|sans|sin|sem) (?:(?:use|return|output|any|wrap it in|valid|"
    r"in) )?json\b(?! schema)|"
    r"\b(?:do not|don't|never) (?:use|return|output|write|reply in|answer in|wrap it in) json\b",
    re.IGNORECASE,
)
# What LangChain appends to a prompt.
_APPENDED = "The output should be formatted as a JSON instance that conforms to the JSON schema below."


def without_appended(text: str) -> str:
    """A prompt without the form of its answer that LangChain's output parser has appended to it."""
    place = text.find(_APPENDED)
    return text[:place] if place > 0 and text.rstrip().endswith(("```", "}")) else text


def forbids_json(text: str, words: frozenset[str]) -> bool:
    """Whether an instruction says that the answer is not to be JSON."""
    return "json" in words and _NO_JSON.search(text) is not None


def asks_for_json(text: str, words: frozenset[str]) -> bool:
    """Whether an instruction asks for JSON."""
    if "json" in words:
        lower = _JSON_INPUT.sub(" ", text.lower())
        return "json" in lower and not forbids_json(text, words)
    return "{" in text and json_key(text)[0] is not None


def json_key(text: str) -> tuple[str | None, bool, str | None]:
    """The one key of the JSON object that prose asks for, whether its value is a list, and what stands against it.

    No key and a list: the whole answer is a JSON array.
    """
    keys: list[str] = []
    is_list = False
    for match in _BRACES.finditer(_SLOT.sub("_", text.replace("{{", "{").replace("}}", "}"))):
        inner = _KEY.findall(match[0]) or _BARE_KEY.findall(match[0])
        if inner:
            keys.extend(inner)
            is_list = is_list or re.search(r":\s*\[", match[0]) is not None
    distinct = list(dict.fromkeys(keys))
    if not distinct:
        distinct = list(dict.fromkeys("".join(groups) for groups in _NAMED_KEY.findall(text)))
    if not distinct and _ARRAY.search(text):
        return None, True, "the request asks for one label for each of several texts." if _PER.search(text) else None
    if not distinct:
        return None, False, "the request asks for JSON without saying which key holds the label."
    is_list = is_list or _LISTED.search(text) is not None
    if _NESTED.search(text):
        return distinct[0], is_list, "the request asks for JSON within JSON."
    if len(distinct) > 1:
        return distinct[0], is_list, "the request asks for JSON with several keys."
    return distinct[0], is_list, None


def pasted_schema(text: str) -> tuple[Mapping[str, Any], int, int] | None:
    """The one JSON Schema of an object that stands in a text, and where; None when there is none or there are several.

    :func:`schema_examples` are none.
    """
    if '"properties"' not in text:
        return None
    examples = schema_examples(text)
    found: list[tuple[Mapping[str, Any], int, int]] = []
    position = 0
    for _ in range(_MOST):
        position = text.find("{", position)
        if position < 0:
            break
        if examples is not None and examples[0] <= position < examples[1]:
            position = examples[1]
            continue
        try:
            document, end = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            position += 1
            continue
        if isinstance(document, dict) and isinstance(document.get("properties"), dict):
            found.append((document, position, end))
        position = end
    return found[0] if len(found) == 1 else None


def schema_examples(text: str) -> tuple[int, int] | None:
    """Where a library explains what a schema is, by an example that has nothing to do with the request."""
    match = _EXAMPLES.search(text) if "well-formatted" in text else None
    return None if match is None else match.span()
