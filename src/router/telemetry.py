"""The names of all log events, metrics and response headers, in one place. No prompt text is ever among the fields."""

from __future__ import annotations

import logging

__all__ = [
    "BUDGET_SETTLED_LATE",
    "DETECTOR_FAILED",
    "HEADER_COST",
    "HEADER_DECISION",
    "HEADER_MODEL",
    "HEADER_POLICY",
    "HEADER_REQUEST_ID",
    "HEADER_RULE",
    "HEADER_TARGET",
    "LEDGER_LOST",
    "MODEL_REFUSED",
    "log",
]

log = logging.getLogger("router")

DETECTOR_FAILED = "a detector failed and its signals are unknown for this request"
LEDGER_LOST = "records could not be written to the ledger"
MODEL_REFUSED = "a local model could not be loaded and takes no part"
BUDGET_SETTLED_LATE = "a stream was dropped without being closed; its spend is settled by estimate"

HEADER_MODEL = "x-router-model"
HEADER_TARGET = "x-router-target"
HEADER_RULE = "x-router-rule"
HEADER_POLICY = "x-router-policy"
HEADER_COST = "x-router-cost-usd"
HEADER_DECISION = "x-router-decision-id"
HEADER_REQUEST_ID = "x-request-id"
