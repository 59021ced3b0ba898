"""All that files say of the policies and the hosted models: read and checked, as plain values, which another process
can be handed. Who is handed them needs neither PyYAML nor pydantic, nor the price table.
"""

from __future__ import annotations

import pathlib
import zlib
from collections.abc import Iterator, Mapping

import msgspec

from .catalogue import Deployment, Family
from .config import Environment, Settings
from .document import Path, Place
from .fleet import embedding_of, hosted_of
from .policy.read import PolicyFile
from .shelf import PolicyFiles

__all__ = ["Inputs", "packed", "read_inputs", "unpacked"]


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """``policies`` by name, of which ``policy`` is the configured one's; ``hosted`` and ``embedding`` deployments as
    :mod:`.fleet` gives them; the families of models."""

    settings: Settings
    policy: str
    policies: Mapping[str, PolicyFile]
    hosted: tuple[Deployment, ...]
    embedding: tuple[Deployment, ...]
    families: tuple[Family, ...]


def read_inputs(settings: Settings, environment: Environment) -> Inputs:
    """What ``settings`` need.

    Raises:
        ConfigError: the policy is missing or wrong; ``file:line:column`` where there is one.
    """
    from .backends.prices import builtin_families

    policies = PolicyFiles(settings.policy, pathlib.Path(settings.directory))
    return Inputs(
        settings=settings,
        policy=policies.default,
        policies=policies,
        hosted=tuple(hosted_of(settings, environment, policies.first.models)),
        embedding=tuple(embedding_of(settings)),
        families=builtin_families(),
    )


class _Packed(msgspec.Struct, frozen=True, kw_only=True):
    settings: Settings
    policy: str
    policies: dict[str, tuple[bytes, bytes]]
    hosted: tuple[Deployment, ...]
    embedding: tuple[Deployment, ...]
    families: tuple[Family, ...]


class _Places(Mapping[Path, Place]):
    """Places that are unpacked when something is wrong and its place is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def _read(self) -> Mapping[Path, Place]:
        return msgspec.msgpack.decode(zlib.decompress(self._data), type=dict[Path, Place])

    def __getitem__(self, path: Path) -> Place:
        return self._read()[path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


class _Policies(Mapping[str, PolicyFile]):
    """Policies of which most are never asked for."""

    def __init__(self, data: Mapping[str, tuple[bytes, bytes]]) -> None:
        self._data = data

    def __getitem__(self, name: str) -> PolicyFile:
        data, places = self._data[name]
        file = msgspec.msgpack.decode(zlib.decompress(data), type=PolicyFile)
        return msgspec.structs.replace(file, places=_Places(places))

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


def packed(inputs: Inputs) -> bytes:
    """``inputs`` with all their policies, those without their examples, for :func:`unpacked`."""
    policies = {name: _packed(file) for name, file in inputs.policies.items()}
    return msgspec.msgpack.encode(_Packed(**{**msgspec.structs.asdict(inputs), "policies": policies}))


def unpacked(data: bytes) -> Inputs:
    """What was packed; each policy is read when it is asked for."""
    found = msgspec.msgpack.decode(data, type=_Packed)
    return Inputs(**{**msgspec.structs.asdict(found), "policies": _Policies(found.policies)})


def _packed(file: PolicyFile) -> tuple[bytes, bytes]:
    places = {path: place for path, place in file.places.items() if path[:1] != ("examples",)}
    parts = (msgspec.structs.replace(file, examples=(), places={}), places)
    data, where = [zlib.compress(msgspec.msgpack.encode(part), 1) for part in parts]
    return data, where
