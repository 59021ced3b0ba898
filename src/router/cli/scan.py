"""``router scan``: the verdict of ``router advise`` on day one, from logs that people already have."""

from __future__ import annotations

from pathlib import Path

import click

from .advise import show_advice, which_advice, without_template

__all__ = ["scan"]


@click.command()
@click.argument("logs", nargs=-1, required=True, type=click.Path(path_type=Path))
@which_advice
def scan(logs: tuple[Path, ...], keep: float, confidence: float, top: int, as_json: bool) -> None:
    """Say what a local model could take over, from LOGS of other tools; nothing is stored or called.

    Read are LiteLLM spend logs (JSON, JSON lines, CSV), OpenTelemetry GenAI spans (OTLP JSON), OpenAI request and
    response bodies, batch files, and plain JSON lines with a prompt and a response; gzipped or not. `-` is standard
    input. Rows that cannot be read are counted and told.
    """
    from ..offline.harvest import harvest
    from ..offline.promise import agreement
    from ..offline.scan import LogScan

    goal = agreement(keep, confidence)
    scanned = LogScan()
    found, beyond = harvest(scanned.exchanges(logs))
    notes = scanned.notes()
    if beyond:
        notes.append(without_template(beyond))
    if any(each.hosted and not each.readable for each in found):
        notes.append(
            "Where prompts are missing: LiteLLM records them with `store_prompts_in_spend_logs: true`, OpenTelemetry's "
            "instrumentations with OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true"
        )
    show_advice(found, goal, top, notes, as_json=as_json, is_of_logs=True)
