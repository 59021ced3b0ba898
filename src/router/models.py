"""Settings -> local models, the states that they are in, and what compares them with hosted ones in service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .backends.copies import Copies
from .backends.flywheel import Flywheel
from .backends.run import Dispatcher
from .catalogue import LocalCard
from .config import FlywheelSettings, LocalSettings, Settings
from .errors import ConfigError, UnknownModel
from .local.base import model_directories, read_card, shipped_directory
from .local.load import load_local_model
from .local.on_demand import OnDemandModel
from .selection.candidates import Fleet
from .signals.ood import LocalDetector
from .state.accounting import Accounting
from .state.lifecycle import Lifecycle
from .state.watch import Watch
from .types import Detector, LocalModel, SignalName

__all__ = ["flywheel_of", "lifecycle_of", "local_models", "watch_of"]


def local_models(settings: LocalSettings, directory: Path) -> list[tuple[LocalModel, LocalCard]]:
    """The registered models with their cards.

    Raises:
        UnknownModel: no shipped model has that name. ConfigError: a path holds no model, or two have one name.
        ModelFileError: a model's files cannot be trusted.
    """
    found: list[tuple[LocalModel, LocalCard]] = []
    shipped = settings.shipped
    for folder in model_directories(shipped_directory()):
        if shipped is True or (isinstance(shipped, Sequence) and folder.name in shipped):
            card = read_card(folder)
            found.append((OnDemandModel(folder, card, load_local_model), card))
    if isinstance(shipped, Sequence):
        for name in shipped:
            if name not in {card.name for _, card in found}:
                options = sorted(folder.name for folder in model_directories(shipped_directory()))
                raise UnknownModel(f"no shipped local model {name!r}.", hint=f"Shipped: {', '.join(options)}.")
    for written in settings.paths:
        folders = model_directories(directory / written)
        if not folders:
            raise ConfigError(
                "there is no local model (no card.json).",
                file=str(directory / written),
                hint="Give the directory of one model, or one that holds such directories.",
            )
        for folder in folders:
            model = load_local_model(folder)
            if model.name in {card.name for _, card in found}:
                raise ConfigError(
                    f"a local model named {model.name!r} is already registered.",
                    file=str(folder),
                    hint="Train it under another name, or leave the shipped one out (local_models.shipped).",
                )
            found.append((model, model.card))
    return found


def lifecycle_of(settings: Settings, cards: Iterable[LocalCard]) -> Lifecycle:
    """The states of the models with these ``cards``.

    Raises:
        StateUnavailable: the file of states cannot be read.
    """
    return Lifecycle(Path(settings.directory) / settings.local_models.lifecycle, cards)


def watch_of(settings: Settings, lifecycle: Lifecycle, cards: Iterable[LocalCard]) -> Watch:
    """The watch over the local models with these ``cards``, as ``settings`` describe it."""
    flywheel = settings.local_models.flywheel or FlywheelSettings()
    return Watch(
        (Path(settings.directory) / settings.local_models.lifecycle).with_name("agreement.jsonl"),
        lifecycle,
        cards,
        alpha=1.0 - flywheel.confidence,
        max_error=None if flywheel.agreement is None else 1.0 - flywheel.agreement,
        promotes=flywheel.promote,
        quarantines=flywheel.quarantines,
    )


def flywheel_of(
    settings: Settings,
    local: LocalDetector,
    detectors: Mapping[SignalName, Detector],
    dispatcher: Dispatcher,
    accounting: Accounting,
    lifecycle: Lifecycle,
    watch: Watch,
    fleet: Fleet,
) -> Flywheel | None:
    """What compares local models with hosted ones, None where the settings do not ask for it."""
    asked = settings.local_models.flywheel
    cards = tuple(fleet.local.values())
    if asked is None or not cards:
        return None
    return Flywheel(
        detector=local,
        detectors=detectors,
        copies=Copies(dispatcher, accounting, at_once=asked.at_once),
        lifecycle=lifecycle,
        watch=watch,
        cards=cards,
        deployments=fleet.deployments,
        shadow=asked.shadow,
        audit=asked.audit,
    )
