"""Reads config, policies and keys in a process of its own, which ends with what it needed: PyYAML, pydantic and the
models that they make would stay in the memory of the process that serves. Whoever starts it goes on loading meanwhile:
for that, little is imported here.

    python -m router.proxy.reader SOURCE > READ
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import ConfigError, RouterError

if TYPE_CHECKING:
    from ..config import Environment, Settings
    from .auth import Caller

__all__ = ["Read", "Reading", "Source"]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where settings come from: a file (None: the environment's, else defaults), and what the command line puts over
    it."""

    path: str | None = None
    policy: str | None = None
    host: str | None = None
    port: int | None = None

    def within(self, environment: Environment) -> Source:
        """The same, with what only the environment says."""
        return msgspec.structs.replace(
            self, path=self.path or environment.config, policy=self.policy or environment.policy
        )

    def read(self) -> Settings:
        """The settings as they are now.

        Raises:
            ConfigError: the file is missing or wrong.
        """
        from ..config import Settings, load_settings

        settings = load_settings(Path(self.path)) if self.path is not None else Settings()
        if self.policy:
            settings = msgspec.structs.replace(settings, policy=self.policy)
        listen = {key: value for key, value in (("host", self.host), ("port", self.port)) if value is not None}
        return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, **listen))


class Read(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What was read: ``inputs`` and the callers of the keys file (None without one), packed."""

    inputs: bytes
    keys: bytes | None

    def callers(self) -> tuple[Caller, ...] | None:
        """Those of the keys file."""
        from .auth import Caller

        return None if self.keys is None else msgspec.msgpack.decode(self.keys, type=tuple[Caller, ...])


class _Wrong(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    message: str
    file: str | None
    line: int | None
    column: int | None
    hint: str


class Reading:
    """``source`` is being read since now, beside whatever else is done."""

    def __init__(self, source: Source) -> None:
        # The child finds what this process would.
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(  # noqa: S603 this very module
            [sys.executable, "-m", __name__, msgspec.json.encode(source).decode()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def result(self) -> Read:
        """What was read; waits for it.

        Raises:
            ConfigError: a file is missing or wrong. RouterError: the process that reads has failed.
        """
        data, _ = self._process.communicate()
        if self._process.returncode:
            raise RouterError("reading the config failed.", hint="The log says why.")
        found = msgspec.msgpack.decode(data, type=Read | _Wrong)
        if isinstance(found, _Wrong):
            raise ConfigError(found.message, file=found.file, line=found.line, column=found.column, hint=found.hint)
        return found


def _read(source: Source) -> Read | _Wrong:
    from ..config import read_environment
    from ..inputs import packed, read_inputs
    from .auth import read_keys

    try:
        environment = read_environment()
        settings = source.within(environment).read()
        path = settings.server.keys
        callers = None if path is None else read_keys(Path(settings.directory) / path).callers
        keys = None if callers is None else msgspec.msgpack.encode(callers)
        return Read(inputs=packed(read_inputs(settings, environment)), keys=keys)
    except ConfigError as error:
        return _Wrong(message=error.message, file=error.file, line=error.line, column=error.column, hint=error.hint)


def _main() -> None:
    # Nobody else writes into the answer.
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        source = msgspec.json.decode(sys.argv[1], type=Source)
        out.write(msgspec.msgpack.encode(_read(source)))


if __name__ == "__main__":
    _main()
