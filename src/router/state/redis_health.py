"""The board of replicas (:class:`~.shared_health.Board`) in Redis: one hash, one script, one round trip.

Times are the server's. What is posted stays until it is said to be back, or a minute longer than it was said to last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from uuid import uuid4

import redis

from .breaker import Opened
from .redis import connect, shown, telling
from .shared_health import Posted

__all__ = ["RedisBoard"]

# KEYS: the hash, by deployment: "owner open_until told_until posted". ARGV: owner, how many are opened, their name,
# seconds and told seconds each; then the names of those that are back.
_EXCHANGE = """
local key, me = KEYS[1], ARGV[1]
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local at = 3
for _ = 1, tonumber(ARGV[2]) do
  local open, told = now + tonumber(ARGV[at + 1]), now + tonumber(ARGV[at + 2])
  redis.call('HSET', key, ARGV[at], string.format('%s %.3f %.3f %.3f', me, open, told, now))
  at = at + 3
end
for i = at, #ARGV do redis.call('HDEL', key, ARGV[i]) end
local found, all = {}, redis.call('HGETALL', key)
for i = 1, #all, 2 do
  local owner, open, told, posted = string.match(all[i + 1], '^(%S+) (%S+) (%S+) (%S+)$')
  if not owner or math.max(tonumber(open), tonumber(told)) + 60 < now then
    redis.call('HDEL', key, all[i])
  elseif owner ~= me then
    found[#found + 1] = all[i]
    found[#found + 1] = string.format('%.3f', math.max(0, tonumber(open) - now))
    found[#found + 1] = string.format('%.3f', math.max(0, tonumber(told) - now))
    found[#found + 1] = string.format('%.3f', math.max(0, now - tonumber(posted)))
  end
end
redis.call('EXPIRE', key, 86400)
return found
"""


class RedisBoard:
    """See :class:`~.shared_health.Board`. Replicas of one ``prefix`` call the same deployments by the same names."""

    def __init__(self, url: str, *, prefix: str = "router", timeout_s: float = 1.0) -> None:
        self._where, self._key, self._me = shown(url), f"{prefix}:health", uuid4().hex
        self._client = connect(url, timeout_s)
        self._exchange = self._client.register_script(_EXCHANGE)

    def exchange(self, opened: Mapping[str, Opened], closed: Collection[str]) -> list[Posted]:
        """See :class:`~.shared_health.Board`."""
        told = [part for name, each in opened.items() for part in (name, each.open_s, each.told_s)]
        with telling(self._where):
            found = self._exchange(keys=[self._key], args=[self._me, len(opened), *told, *closed])
        return [
            Posted(
                model=found[at].decode("utf-8", "replace"),
                opened=Opened(open_s=float(found[at + 1]), told_s=float(found[at + 2])),
                age_s=float(found[at + 3]),
            )
            for at in range(0, len(found), 4)
        ]

    def close(self) -> None:
        """See :class:`~.shared_health.Board`."""
        with suppress(redis.RedisError, OSError):
            self._client.close()
