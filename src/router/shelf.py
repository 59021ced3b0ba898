"""The policies at hand, by name: the configured one and those that come with the package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .document import did_you_mean
from .errors import ConfigError
from .policy.read import PolicyFile, resolve

if TYPE_CHECKING:
    from .policy.compile import CompiledPolicy

__all__ = ["PolicyFiles", "PolicyShelf", "UnknownPolicyError", "builtin_policies"]


class PolicyFiles(Mapping[str, PolicyFile]):
    """The configured policy (``first``, called ``default``) and the built-in ones, by name; read when asked for.

    ``chosen`` is a built-in policy's name or the path of a file, relative to ``directory``. Policies that a file
    extends are looked up beside it, then among the built-in ones.

    Raises:
        ConfigError: the chosen policy is missing or wrong.
    """

    def __init__(self, chosen: str, directory: Path) -> None:
        self._builtin = builtin_policies()
        self._directory = directory
        self.first = resolve(chosen, self.load)
        self.default = self.first.name

    def __getitem__(self, name: str) -> PolicyFile:
        if name == self.default:
            return self.first
        if name not in self._builtin:
            raise KeyError(name)
        return resolve(name, self.load)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([self.default, *self._builtin]))

    def __len__(self) -> int:
        return len({self.default, *self._builtin})

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
            if not named.is_file() and path == beside:
                raise UnknownPolicyError(f"there is no file {beside.absolute()}.", hint="Check the path.")
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


class PolicyShelf(Mapping[str, "CompiledPolicy"]):
    """``files`` compiled: that of ``default`` at once, each other one when it is first asked for.

    Raises:
        ConfigError: the default policy is wrong.
    """

    def __init__(self, files: Mapping[str, PolicyFile], default: str) -> None:
        from .policy.compile import compile_policy  # which reading files does without

        self._files, self._compile = files, compile_policy
        self.default = default
        self._compiled = {default: compile_policy(files[default])}

    def __getitem__(self, name: str) -> CompiledPolicy:
        found = self._compiled.get(name)
        if found is None:
            found = self._compiled[name] = self._compile(self._files[name])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class UnknownPolicyError(ConfigError, LookupError):
    """No policy of that name; a ConfigError for people, a LookupError for the resolution of ``extends``."""


def builtin_policies() -> dict[str, Path]:
    """The policies that come with the package, by name. In a checkout they are the files in ``policies/``."""
    here = Path(__file__).resolve().parent
    for folder in (here / "builtin" / "policies", here.parents[1] / "policies"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml")) if not path.stem.endswith("_test")}
    return {}
