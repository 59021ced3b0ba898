"""Rows of a ledger read back: each signal gets its type again, so that a decision can be made from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..errors import RouterError
from ..selection.redecide import redecide, request_of
from ..types import Contract, Decision, Flag, LocalEvidence, Record, Request, Signal, Split, TokenCount

__all__ = ["encode_decision", "is_record", "read_record", "redecide_record", "typed_signals"]

_TYPES: Final[Mapping[str, Any]] = {
    "contract": Signal[Contract],
    "split": Signal[Split],
    "tokens": Signal[TokenCount],
    "safety": Signal[tuple[Flag, ...]],
    "pii": Signal[tuple[Flag, ...]],
    "local": Signal[LocalEvidence],
}
_RECORD = msgspec.json.Decoder(Record)
_ENCODER = msgspec.json.Encoder(order="sorted")


def is_record(line: bytes) -> bool:
    """Whether a line is a row of a ledger (and no request to be read)."""
    return line.lstrip().startswith(b'{"decision":')


def read_record(line: bytes) -> Record:
    """One row of a ledger.

    Raises:
        RouterError: the line is no record.
    """
    try:
        record = _RECORD.decode(line)
        signals = typed_signals(record.decision.signals)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise RouterError(f"the row is no record of a ledger ({error}).", hint="Give the ledger's own file.") from error
    return msgspec.structs.replace(record, decision=msgspec.structs.replace(record.decision, signals=signals))


def typed_signals(signals: Mapping[str, Signal[Any]]) -> dict[str, Signal[Any]]:
    """Signals as they were before they were written: plain data gets its types again."""
    return {
        name: msgspec.convert(msgspec.to_builtins(signal), _TYPES[name]) if name in _TYPES else signal
        for name, signal in signals.items()
    }


def redecide_record(record: Record, policy: Any, fleet: Any) -> tuple[Request, Decision]:
    """The request, without its text, and what ``policy`` decides of it now.

    Raises:
        RouterError: the record says too little; NoCandidate: nobody could answer.
    """
    if record.asked is None or record.decision.snapshot is None:
        raise RouterError(
            "the record does not say what was asked, so it cannot be decided again.",
            hint="It was written by an older version; later records do.",
        )
    request = request_of(record.asked)
    return request, redecide(request, record.decision.signals, policy, fleet, record.decision.snapshot)


def encode_decision(decision: Decision) -> bytes:
    """The decision as bytes that are equal when the decisions are."""
    return _ENCODER.encode(decision)
