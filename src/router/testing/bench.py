"""The bench on which gateways are tried: one between a client and two scripted upstreams; what a trial says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import msgspec

from .gateway import Gateway
from .upstream import Answer, Fault, Upstream

__all__ = ["OTHER", "TEXT", "USAGE", "Bench", "Group", "Guarantee", "Held", "Trial"]

Group = Literal["unchanged", "usage", "failover", "ending", "limits", "health", "size"]
TEXT = "Nine plain words, told one after the other, slowly."
OTHER = "An answer from the second upstream."
USAGE = {"prompt_tokens": 21, "completion_tokens": 13, "total_tokens": 34}


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a guarantee held; None when it could not be tried. ``seen`` says what was seen, in a few words."""

    held: bool | None
    seen: str = ""


class Bench(msgspec.Struct, kw_only=True):
    """A gateway between a client and two upstreams: ``primary`` answers, ``fallback`` when it cannot.

    ``deadline`` gives the headers that limit one request to so many ms, None where the gateway has no such thing;
    ``cooldown_s`` is the longest that it takes a deployment out.
    """

    gateway: Gateway
    primary: Upstream
    fallback: Upstream
    deadline: Callable[[int], Mapping[str, str]] | None = None
    cooldown_s: float = 30.0

    def play(self, primary: Answer | Fault | list[Answer | Fault], fallback: Answer | Fault | None = None) -> None:
        """What the upstreams do from now on. A list is played once, and good answers follow it."""
        good = Answer(text=TEXT, usage=USAGE)
        script, default = (primary, good) if isinstance(primary, list) else ([], primary)
        self.primary.play(script, default=default)
        self.fallback.play(default=fallback or Answer(text=OTHER, usage=USAGE))

    @property
    def calls(self) -> int:
        """Calls that reached the upstreams since :meth:`play`."""
        return len(self.primary.received) + len(self.fallback.received)

    async def settle(self) -> bool:
        """Let the gateway find out that all is well again; True once the primary is called."""
        self.play(Answer(text=TEXT, usage=USAGE))
        end = asyncio.get_running_loop().time() + self.cooldown_s
        while asyncio.get_running_loop().time() < end:
            answer = await self.gateway.whole()
            if answer.status == 200 and self.primary.received:
                return True
            await asyncio.sleep(0.25)
        return False


Trial = Callable[[Bench], Awaitable[Held]]


class Guarantee(msgspec.Struct, frozen=True, kw_only=True):
    """One guarantee. ``holds`` says it in one sentence."""

    name: str
    group: Group
    holds: str
    trial: Trial
