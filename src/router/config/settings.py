"""One YAML file -> Settings.

Every setting has a default: ``Router()`` works without a file. Secrets never stand in the file: a deployment names the
environment variable (``key_env``) that holds its credential. Nothing here picks an implementation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ..deployments import check_unique
from ..document import Document, place_error
from ..errors import ConfigError
from ..spec import Spec
from ..typed import typed
from .deployments import DeploymentSettings, EmbeddingSettings
from .dispatch import DispatchSettings
from .server import ServerSettings
from .state import BudgetSettings, CacheSettings, LedgerSettings, StateSettings
from .understanding import LearningSettings, LocalSettings, SafetySettings, UnderstandingSettings
from .words import Strict, Usd

__all__ = [
    "Settings",
    "load_settings",
]


class Settings(Strict, frozen=True, kw_only=True):
    """Everything that can be set, resolved. ``directory`` is where relative paths start.

    ``quality`` is a file that ``router train-quality`` wrote; ``learning`` lets verdicts move what is expected.
    ``network: loopback`` refuses every hosted call to another machine: for tests and dry runs. ``unknown_price`` says
    what holds for a deployment without a known price: under a hard money limit it is refused, or each of its calls
    counts as that much.
    """

    policy: str = "guide"
    deployments: list[DeploymentSettings] | None = None
    embeddings: list[EmbeddingSettings] = msgspec.field(default_factory=list)
    local_models: LocalSettings = LocalSettings()
    budgets: Annotated[list[BudgetSettings], Spec(max_length=1_000)] = msgspec.field(default_factory=list)
    unknown_price: Literal["refuse"] | Usd = "refuse"
    state: StateSettings = StateSettings()
    ledger: LedgerSettings = LedgerSettings()
    dispatch: DispatchSettings = DispatchSettings()
    cache: CacheSettings | None = None
    server: ServerSettings = ServerSettings()
    quality: str | None = None
    learning: LearningSettings | None = None
    safety: SafetySettings = SafetySettings()
    understanding: UnderstandingSettings = UnderstandingSettings()
    network: Literal["any", "loopback"] = "any"
    directory: str = "."


def load_settings(path: Path) -> Settings:
    """Settings of a config file.

    Raises:
        ConfigError: with file:line:column, what is wrong, and what was probably meant.
    """
    from ..yamlfile import load_yaml

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the config cannot be read ({error.strerror}).", file=str(path), hint="Write one with: router init"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("the config is not UTF-8 text.", file=str(path), hint="Save it as UTF-8.") from error
    document: Document = load_yaml(text, name=str(path))
    if document.data is None:
        return Settings(directory=str(path.resolve().parent))
    if isinstance(document.data, dict) and "directory" in document.data:
        raise place_error(document, ("directory",), 'unknown key "directory"', options=list(Settings.__struct_fields__))
    settings = typed(document, Settings, "a config is a mapping of settings", directory=str(path.resolve().parent))
    check_unique(document, "deployments", settings.deployments)
    return settings
