"""The names of all log events, metrics and response headers, in one place. No prompt text is ever among the fields."""

from __future__ import annotations

import logging

__all__ = [
    "BUDGET_SETTLED_LATE",
    "CACHE_DOWN",
    "DEPLOYMENT_DOWN",
    "DEPLOYMENT_UP",
    "DETECTOR_FAILED",
    "FLYWHEEL_FAILED",
    "HEADER_CACHE",
    "HEADER_COST",
    "HEADER_DECISION",
    "HEADER_MODEL",
    "HEADER_POLICY",
    "HEADER_REQUEST_ID",
    "HEADER_RULE",
    "HEADER_TARGET",
    "LEDGER_BACK",
    "LEDGER_DOWN",
    "LEDGER_LOST",
    "LIFECYCLE_DOWN",
    "METRIC_ATTEMPTS",
    "METRIC_COMPARED",
    "METRIC_CUTS",
    "METRIC_DECIDING",
    "METRIC_DECISIONS",
    "METRIC_IN_FLIGHT",
    "METRIC_LOADED",
    "METRIC_LOCAL_STATE",
    "METRIC_MOVES",
    "METRIC_OUTCOMES",
    "METRIC_RELOADS",
    "METRIC_REQUESTS",
    "METRIC_RULES",
    "METRIC_SECONDS",
    "METRIC_TASKS",
    "METRIC_TENANT_USD",
    "METRIC_TOKENS",
    "METRIC_TTFT",
    "METRIC_UNHEALTHY",
    "METRIC_UPSTREAM",
    "METRIC_USD",
    "METRIC_VERSION",
    "MODEL_MOVED",
    "MODEL_READY",
    "MODEL_REFUSED",
    "REFUSALS_UNRECORDED",
    "STATE_BACK",
    "STATE_DOWN",
    "log",
]

log = logging.getLogger("router")

DETECTOR_FAILED = "a detector failed and its signals are unknown for this request"
DEPLOYMENT_DOWN = "a health check found a deployment down, and it is passed over"
DEPLOYMENT_UP = "a health check found a deployment back"
CACHE_DOWN = "the cache of answers cannot be used"
FLYWHEEL_FAILED = "a local model could not be compared with a hosted one"
HEALTH_ALONE = "what is out is not shared between replicas now"
HEALTH_SHARED = "what is out is shared between replicas again"
LEDGER_DOWN = "the ledger cannot be written; records are spooled"
LEDGER_BACK = "the ledger is back; spooled records were written"
LEDGER_LOST = "records could neither be written nor spooled"
REFUSALS_UNRECORDED = "refused requests came faster than they are recorded; without a record remained"
LIFECYCLE_DOWN = "the life cycle of local models cannot be read; their states stay as they were"
MODEL_MOVED = "a local model changes its state"
MODEL_READY = "a local model keeps its promise in shadow; `router models promote` lets it answer"
MODEL_REFUSED = "a local model could not be loaded and takes no part"
STATE_DOWN = "the state of budgets and limits cannot be reached"
STATE_BACK = "the state of budgets and limits is back"
BUDGET_SETTLED_LATE = "a stream was dropped without being closed; it is settled by what its run had counted"

HEADER_MODEL = "x-router-model"
HEADER_TARGET = "x-router-target"
HEADER_RULE = "x-router-rule"
HEADER_POLICY = "x-router-policy"
HEADER_CACHE = "x-router-cache"
HEADER_COST = "x-router-cost-usd"
HEADER_DECISION = "x-router-decision-id"
HEADER_REQUEST_ID = "x-request-id"

METRIC_REQUESTS = "router_http_requests"
METRIC_SECONDS = "router_http_request_duration_seconds"
METRIC_IN_FLIGHT = "router_http_requests_in_flight"
METRIC_CUTS = "router_streams_cut"
METRIC_DECISIONS = "router_decisions"
METRIC_DECIDING = "router_decision_duration_seconds"
METRIC_RULES = "router_rule_decisions"
METRIC_OUTCOMES = "router_outcomes"
METRIC_ATTEMPTS = "router_attempts"
METRIC_UPSTREAM = "router_upstream_duration_seconds"
METRIC_TTFT = "router_upstream_ttft_seconds"
METRIC_TOKENS = "router_tokens"
METRIC_TASKS = "router_asyncio_tasks"
METRIC_USD = "router_cost_usd"
METRIC_TENANT_USD = "router_tenant_cost_usd"
METRIC_UNHEALTHY = "router_deployment_unhealthy"
METRIC_COMPARED = "router_local_comparisons"
METRIC_MOVES = "router_local_transitions"
METRIC_LOCAL_STATE = "router_local_state"
METRIC_VERSION = "router_config_version"
METRIC_LOADED = "router_config_loaded_timestamp_seconds"
METRIC_RELOADS = "router_config_reloads"
