"""What a request names, and whether it is there: its policy, its model, and the deployment that was chosen for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import NotConfigured, RequestError, UnknownModel
from ..policy.compile import CompiledPolicy
from ..types import Decision, Request
from .candidates import Fleet
from .losses import is_auto

__all__ = ["Named"]


class Named:
    """``policies`` by name, ``default`` for whoever names none, and the members of ``fleet``."""

    def __init__(self, policies: Mapping[str, CompiledPolicy], default: str, fleet: Fleet) -> None:
        self._policies, self._default, self._fleet = policies, default, fleet
        self._models = frozenset({*fleet.deployments, *fleet.local, *(d.model for d in fleet.deployments.values())})

    def policy_for(self, request: Request) -> CompiledPolicy:
        """The policy that the request names (hint, or ``model: router/<policy>``), else the default.

        Raises:
            UnknownModel: no such policy is loaded.
            RequestError: hint and model name different policies.
        """
        named = request.model.removeprefix("router/") if request.model.startswith("router/") else None
        hinted = request.hints.policy
        if named and hinted and named != hinted:
            raise RequestError(
                f"model says policy {named!r}, the hint says {hinted!r}.", param="policy", hint="Name one of them."
            )
        name = hinted or named or self._default
        policy = self._policies.get(name)
        if policy is None:
            raise UnknownModel(
                f"unknown policy {name!r}.", param="model", hint=_did_you_mean(name, self._policies, "Policies")
            )
        return policy

    def check_model(self, model: str) -> None:
        """Whether ``model`` is ``auto`` or a member.

        Raises:
            UnknownModel: it is neither.
        """
        if is_auto(model) or model in self._models:
            return
        raise UnknownModel(
            f"unknown model {model!r}.", param="model", hint=_did_you_mean(model, ["auto", *self._models], "Models")
        )

    def check_configured(self, decision: Decision) -> None:
        """Whether the decision can be carried out from here.

        Raises:
            NotConfigured: no provider is.
        """
        target = decision.target
        if target.kind == "llm" and not target.configured:
            deployment = self._fleet.deployments[target.model or ""]
            credential = f"Set {deployment.key_env}" if deployment.key_env else "Configure a provider"
            raise NotConfigured(
                f"the decision is {target.model}, but no hosted provider is configured here.",
                hint=f"{credential}, or point ROUTER_UPSTREAM at an OpenAI-compatible server.",
            )


def _did_you_mean(word: str, options: Iterable[str], title: str) -> str:
    import difflib

    known = list(options)
    close = difflib.get_close_matches(word, known, n=1)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    return f"{guess}{title}: {', '.join(sorted(known)[:40])}."
