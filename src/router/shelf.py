"""The policies at hand, by name: the configured one and those that come with the package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import ConfigError
from .policy.compile import CompiledPolicy, compile_policy
from .policy.read import resolve
from .yamlfile import did_you_mean

__all__ = ["PolicyShelf", "UnknownPolicyError", "builtin_policies"]


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
