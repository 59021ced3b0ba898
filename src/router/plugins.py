"""The user's own code: functions that check answers, and functions that are signals; ``module:function`` in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from .backends.means import AnswerCheck
from .errors import ConfigError
from .policy.compile import CompiledPolicy
from .signals.own import FunctionSignal, own_detector
from .types import Detector

__all__ = ["answer_checks", "imported", "own_detectors"]


def answer_checks(own: Mapping[str, str], policy: CompiledPolicy) -> dict[str, AnswerCheck]:
    """The user's checks of answers: those of the config, and those that the policy names among the installed entry
    points of the group ``router.answer_checks``."""
    asked = (dict(rule.asks).get("escalate") for rule in policy.rules)
    named = {name for escalate in asked if escalate is not None for name in escalate.checks}
    places = dict(own)
    if not named <= places.keys():
        # Looking through all installed packages takes time, so only who asks for it pays.
        from importlib.metadata import entry_points

        places = {point.name: point.value for point in entry_points(group="router.answer_checks")} | places
    for name in sorted(named - places.keys()):
        raise policy.file.error(
            f"there is no check of answers called {name!r}.",
            hint="Name a function in the config: dispatch: {checks: {" + name + ": my_module:my_function}}",
        )
    found: dict[str, AnswerCheck] = {}
    for name, place in {**places, **own}.items():
        try:
            found[name] = imported(place)
        except ValueError as error:
            raise ConfigError(
                f"dispatch.checks.{name}: {error}.", hint="Write it as module:function, importable from here."
            ) from error
    return found


def own_detectors(policy: CompiledPolicy) -> list[Detector]:
    """The detectors of the signals that ``policy`` defines itself.

    Raises:
        ConfigError: the function of a signal cannot be imported.
    """

    def embed(text: str) -> Any:
        from .local.static import shipped_encoder

        return shipped_encoder().embed([text])[0]

    found: list[Detector] = []
    for name, signal in policy.file.signals.items():
        if signal.kind != "python":
            found.append(own_detector(signal, embed))
            continue
        place = next(iter(signal.sought.values()))[0]
        try:
            function = imported(place)
        except ValueError as error:
            raise policy.file.error(f"the signal {name}: {error}.", "signals", name, "python") from error
        found.append(FunctionSignal(signal, function))
    return found


def imported(place: str) -> Callable[..., Any]:
    """The function at ``module:function``.

    Raises:
        ValueError: there is none.
    """
    module, _, function = place.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{place!r} cannot be imported ({error})") from error
    if not callable(found):
        raise ValueError(f"{place!r} is no function")
    return found  # type: ignore[no-any-return]
