"""Everything that can be set: one YAML file and the environment, read once, as typed values."""

from __future__ import annotations

from .deployments import (
    DeploymentSettings,
    EmbeddingSettings,
)
from .dispatch import (
    DispatchSettings,
    HealthCheckSettings,
)
from .environment import (
    Environment,
    UpstreamSettings,
    credential,
    read_environment,
)
from .server import (
    AdminSettings,
    ServerSettings,
    TlsSettings,
)
from .settings import (
    Settings,
    load_settings,
)
from .state import (
    BudgetSettings,
    CacheSettings,
    LedgerSettings,
    SemanticSettings,
    StateSettings,
)
from .understanding import (
    FlywheelSettings,
    LocalSettings,
)

__all__ = [
    "AdminSettings",
    "BudgetSettings",
    "CacheSettings",
    "DeploymentSettings",
    "DispatchSettings",
    "EmbeddingSettings",
    "Environment",
    "FlywheelSettings",
    "HealthCheckSettings",
    "LedgerSettings",
    "LocalSettings",
    "SemanticSettings",
    "ServerSettings",
    "Settings",
    "StateSettings",
    "TlsSettings",
    "UpstreamSettings",
    "credential",
    "load_settings",
    "read_environment",
]
