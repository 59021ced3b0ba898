"""Who observes a request: detectors, and the signals that they are asked for one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from ..compiled import compiled
from .request import Request
from .signals import UNKNOWN, Signal, SignalName

__all__ = ["Detector", "LazySignals", "Signals", "StagedDetector", "slow_of"]

T = TypeVar("T")


class Detector(Protocol):
    """Reads signals off a request. ``provides`` names them, ``slow`` ones are only run on the engine's demand.

    Called, it gives them by name; one that provides a single signal may give that signal alone.
    """

    @property
    def provides(self) -> tuple[SignalName, ...]: ...
    @property
    def slow(self) -> bool: ...
    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]] | Signal[Any]: ...


@runtime_checkable
class StagedDetector(Detector, Protocol):
    """A slow detector that can often do without its slow part: it says so of each request, at once."""

    def wants_more(self, signals: Signals, /) -> bool: ...


def slow_of(detectors: Mapping[SignalName, Detector]) -> frozenset[SignalName]:
    """The names of the signals that only a slow detector tells."""
    return frozenset(name for name, detector in detectors.items() if detector.slow)


class LazySignals:
    """The part of :class:`Signals` that every decision passes through dozens of times; ``_signals.c`` says it again."""

    __slots__ = ("_by_name", "_known", "_views", "request")

    request: Request
    _by_name: Mapping[SignalName, Detector]
    _known: dict[SignalName, Signal[Any]]
    _views: dict[Callable[[Signals], Any], Any]

    def get(self, name: SignalName, /) -> Signal[Any]:
        """``signals[name]``, without what Python adds to a call in brackets."""
        found = self._known.get(name)
        return self._computed(name, slow=False) if found is None else found

    def run(self, name: SignalName, /) -> Signal[Any]:
        """As :meth:`get`; a slow detector is run, too."""
        found = self._known.get(name)
        return self._computed(name, slow=True) if found is None else found

    def view(self, make: Callable[[Signals], T], /) -> T:
        """``make(self)``, computed once: a reading of the request that several detectors share, never reported."""
        if make not in self._views:
            self._views[make] = make(self)  # type: ignore[arg-type]
        view: T = self._views[make]
        return view

    __getitem__ = get

    def _computed(self, name: SignalName, *, slow: bool) -> Signal[Any]:
        detector = self._by_name.get(name)
        if detector is None or (detector.slow and not slow):
            return UNKNOWN
        try:
            self._keep(name, detector(self))  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 one broken detector must not fail the request; unknown is never clean
            self._keep(name, self._failed(detector, error))
        return self._known.setdefault(name, UNKNOWN)

    def _keep(self, name: SignalName, told: Mapping[SignalName, Signal[Any]] | Signal[Any]) -> None:
        known = self._known
        if isinstance(told, Signal):
            known[name] = told
        else:
            known.update({**told, **known})  # what is known stays

    def _failed(self, detector: Detector, error: Exception) -> Mapping[SignalName, Signal[Any]]:
        """What is known instead of what ``detector`` would have told."""
        raise NotImplementedError


if TYPE_CHECKING or compiled is None:  # noqa: SIM108 mypy takes the first way only where it stands as a statement
    _Base = LazySignals
else:
    _Base = compiled.lazy_signals(Signal, UNKNOWN)


class Signals(_Base):
    """The signals of one request, each computed at most once and only when somebody asks.

    ``signals["task"]`` returns a :class:`Signal`. A slow detector is not run here: the signal reads as unknown until
    :meth:`fetch` was called for it (the engine does that in a worker thread), and :meth:`missing` names it.
    A detector that raises makes its signals unknown, never clean: ``on_error`` hears of it. ``slow``: the names of
    all slow ones, where somebody knows them.
    """

    __slots__ = ("_on_error", "_slow", "has_failed")

    def __init__(
        self,
        request: Request,
        detectors: Mapping[SignalName, Detector],
        *,
        on_error: Callable[[Detector, Exception], None] | None = None,
        slow: frozenset[SignalName] | None = None,
    ) -> None:
        self.request = request
        self._by_name = detectors
        self._slow = slow
        self._known = {}
        self._views = {}
        self._on_error = on_error
        self.has_failed = False

    @classmethod
    def given(
        cls,
        request: Request,
        known: Mapping[SignalName, Signal[Any]],
        detectors: Mapping[SignalName, Detector] | None = None,
    ) -> Signals:
        """Signals that were computed before; all others are told by ``detectors``, unknown without."""
        signals = cls(request, detectors or {})
        signals.take(known)
        return signals

    def take(self, known: Mapping[SignalName, Signal[Any]]) -> None:
        """Know ``known`` without computing it."""
        self._known.update(known)

    def fetch(self, names: Iterable[SignalName]) -> None:
        """Compute ``names``, slow ones included. Blocking: call it in a worker thread when one is slow."""
        for name in names:
            self.run(name)

    def late(self, name: SignalName) -> bool:
        """Whether only a slow reading can tell ``name``; where its detector can tell at once, it does so here."""
        detector = self._by_name.get(name)
        if detector is None or not detector.slow or name in self._known or not isinstance(detector, StagedDetector):
            return False
        try:
            if detector.wants_more(self):
                return True
        except Exception:  # noqa: BLE001,S110 it comes up again in the next line, where it is heard of
            pass
        self.run(name)
        return False

    def missing(self, names: Iterable[SignalName]) -> tuple[SignalName, ...]:
        """Those of ``names`` that a slow detector could still tell."""
        slow, known = self._slow, self._known
        if slow is None:
            slow = self._slow = slow_of(self._by_name)
        return tuple([name for name in names if name in slow and name not in known]) if slow else ()

    @property
    def names(self) -> tuple[SignalName, ...]:
        """All signals that some detector provides."""
        return tuple(self._by_name)

    @property
    def n_known(self) -> int:
        """How many signals were computed so far."""
        return len(self._known)

    def known(self) -> dict[SignalName, Signal[Any]]:
        """The signals computed so far."""
        return dict(self._known)

    def all_known(self) -> Mapping[SignalName, Signal[Any]]:
        """The signals computed so far, as they are held here: for who keeps them when no more will be computed."""
        return self._known

    def _failed(self, detector: Detector, error: Exception) -> Mapping[SignalName, Signal[Any]]:
        self.has_failed = True
        if self._on_error is not None:
            self._on_error(detector, error)
        return dict.fromkeys(detector.provides, UNKNOWN)
