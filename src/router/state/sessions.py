"""Where conversations are warm: which deployment read how much of one lately, so that its prompt cache still holds it.

Bounded in number and time. It keeps hashes and numbers, no text.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b

from ..types import Request, Usage

__all__ = ["LEAST_TOKENS", "MemorySessions", "conversation_key"]

# Providers cache prompts from about 1,024 tokens (https://platform.openai.com/docs/guides/prompt-caching).
LEAST_TOKENS = 1024
_LEAST_BYTES = 2 * LEAST_TOKENS
_NOWHERE: Mapping[str, int] = {}


def conversation_key(request: Request) -> str | None:
    """The same for all turns of a conversation: the session that the caller names, else a hash of what stays in front
    (system messages and the first user message). None where too little was said to be cached by anybody."""
    size = request.n_bytes or sum(len(message.text) for message in request.messages)
    if size < _LEAST_BYTES:
        return None
    seen = blake2b(digest_size=16)
    seen.update((request.hints.tenant or "").encode("utf-8", "replace"))
    if request.hints.session is not None:
        seen.update(b"\0session\0" + request.hints.session.encode("utf-8", "replace"))
        return seen.hexdigest()
    for message in request.messages:
        seen.update(b"\0" + message.role.encode() + b"\0" + message.text.encode("utf-8", "replace"))
        if message.role == "user":
            break
    return seen.hexdigest()


class MemorySessions:
    """Conversations of this process: at most ``keep``, each for ``ttl_s`` after its last turn."""

    def __init__(self, *, keep: int = 10_000, ttl_s: float = 300.0) -> None:
        self._keep, self._ttl_s = keep, ttl_s
        self._warm: OrderedDict[str, dict[str, tuple[int, float]]] = OrderedDict()
        self._lock = threading.Lock()

    def warm(self, key: str | None, now_s: float) -> Mapping[str, int]:
        """Tokens of the conversation that are warm now, by deployment."""
        if key is None or key not in self._warm:
            return _NOWHERE
        with self._lock:
            seen = self._warm.get(key, {})
            return {name: tokens for name, (tokens, at) in seen.items() if now_s - at < self._ttl_s}

    def answered(self, key: str | None, model: str, usage: Usage, now_s: float, *, expected: int = 0) -> None:
        """A hosted deployment has read the conversation.

        ``expected`` tokens were thought to be warm there: where the provider says that it read none from its cache, it
        keeps none, and nothing is warm there.
        """
        if key is None or usage.input < LEAST_TOKENS:
            return
        is_cold = expected >= LEAST_TOKENS and not usage.estimated and not usage.cached_input
        with self._lock:
            seen = self._warm.setdefault(key, {})
            if is_cold:
                seen.pop(model, None)
            else:
                seen[model] = (usage.input, now_s)
            self._warm.move_to_end(key)
            while len(self._warm) > self._keep:
                self._warm.popitem(last=False)
