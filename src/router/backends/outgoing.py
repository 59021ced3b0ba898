"""What goes out for one call: the body for its deployment, masked if the verdict says so and it leaves the house.

What must not be sent is a typed error, and nothing is sent. The room calls nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..catalogue import Deployment
from ..errors import NoCandidate, RouterError, UpstreamError
from ..redact import Redaction, redact
from ..selection.steps import Call
from ..types import Decision, Request
from .base import UpstreamCall, outgoing_body
from .means import Means

__all__ = ["Outgoing"]

# Words in ``Verdict.redact`` that mean every kind of personal data.
_ALL_KINDS = frozenset({"pii", "all", "*"})
_UNMASKED: Mapping[str, str] = {}


class Outgoing:
    """The calls of one run. ``blocked`` is why a call could not be made that the policy asks to be masked or checked,
    None when there was none. ``beginning`` is what was shown of the answer by a stream that was cut."""

    def __init__(self, means: Means, request: Request, decision: Decision) -> None:
        self._means, self._request, self._decision = means, request, decision
        self._redaction: Redaction | None = None
        self.blocked: RouterError | None = None
        self.beginning = ""

    def prepare(self, step: Call, *, stream: bool, logprobs: bool = False) -> tuple[UpstreamCall, Mapping[str, str]]:
        """What goes out, and what was masked in it. ``logprobs`` asks for them though the caller did not.

        Raises:
            UpstreamError: it had to be masked and could not be, or nobody could check the answer.
        """
        means, decision, request = self._means, self._decision, self._request
        deployment, verdict = means.deployments[step.model], decision.verdict
        if verdict.check and means.check is None:
            self.blocked = NoCandidate(
                "the policy asks for a checked answer, and nothing here can check it; nothing was sent.",
                hint="Give the dispatcher a check.",
            )
            raise UpstreamError(str(self.blocked), kind="unsupported", deployment=deployment.name)
        mapping = _UNMASKED
        if verdict.redact and not deployment.in_house:
            masked = self._masked(deployment)
            request, mapping = masked.request, masked.mapping
        body = outgoing_body(request, deployment, stream=stream, max_output_tokens=decision.max_output_tokens)
        if logprobs:
            body["logprobs"] = True
        if self.beginning:
            body["messages"] = [*body["messages"], {"role": "assistant", "content": self.beginning}]
        call = UpstreamCall(
            deployment=deployment,
            request=request,
            body=body,
            timeout_s=step.timeout_ms / 1000.0,
            ttft_timeout_s=step.ttft_ms / 1000.0,
            idle_timeout_s=means.pacing.idle_timeout_s,
        )
        return call, mapping

    def _masked(self, deployment: Deployment) -> Redaction:
        if self._redaction is None:
            kinds = self._decision.verdict.redact
            signal = self._decision.signals.get("safety")
            flags = None if signal is None else signal.value
            if flags is None:
                raise self._unmaskable(deployment, "it could not be searched for personal data")
            found = [flag for flag in flags if flag.kind == "pii"]
            if any(not flag.spans for flag in found):
                raise self._unmaskable(deployment, "it holds personal data that could not be located")
            spans = [span for flag in found for span in flag.spans]
            wanted = None if kinds & _ALL_KINDS else kinds
            try:
                self._redaction = redact(self._request, spans, wanted, self._means.find)
            except Exception as error:
                raise self._unmaskable(deployment, "masking it failed") from error
        return self._redaction

    def _unmaskable(self, deployment: Deployment, why: str) -> UpstreamError:
        self.blocked = NoCandidate(
            f"the request must be masked before it leaves the house, and {why}; nothing was sent.",
            hint="Remove the personal data, or register a deployment that is in_house.",
        )
        return UpstreamError(
            f"{deployment.name}: nothing was sent: {why}.", kind="unsupported", deployment=deployment.name
        )
