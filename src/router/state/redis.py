"""Accounts and answers in Redis: shared by all replicas. Every operation is one Lua script, which Redis runs alone.

Leases are measured by the server's clock. Keys share one hash tag, so that a cluster keeps them in one slot. Sums are
kept by HINCRBY (64 bits); scripts compare them as doubles, exact below 2**53. Needs Redis 5 or newer.
Source: https://redis.io/docs/latest/develop/programmability/eval-intro/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

from ..errors import ConfigError, MissingExtra, StateUnavailable
from .store import Balance, Granted, Op, Refused, Reply, Reserve, Settled

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError as missing:
    raise MissingExtra("redis", "redis") from missing

__all__ = ["RedisCache", "RedisStore", "connect", "shown", "telling"]

_REMEMBER_S = 3600
# KEYS: prefix. A clock of 0 in ARGV means the server's. Accounts are hashes of spent (s) and reserved (r).
_PRELUDE = """
local prefix = KEYS[1]
local function clock(given)
  if tonumber(given) > 0 then return tonumber(given) end
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1e6
end
local function account(name) return prefix .. 'a:' .. name end
local function sums(name)
  local found = redis.call('HMGET', account(name), 's', 'r')
  return tonumber(found[1] or '0'), tonumber(found[2] or '0')
end
local function text(n) return string.format('%.0f', n) end
local function add(name, spent, reserved, ends)
  local key = account(name)
  if spent ~= 0 then redis.call('HINCRBY', key, 's', text(spent)) end
  if reserved ~= 0 then redis.call('HINCRBY', key, 'r', text(reserved)) end
  if ends and ends ~= cjson.null then redis.call('EXPIREAT', key, math.ceil(ends) + 86400) end
end
local function listed(entries)
  local found = {}
  for _, entry in ipairs(entries) do
    local s, r = sums(entry[1])
    found[#found + 1] = text(s)
    found[#found + 1] = text(r)
  end
  return found
end
"""
# ARGV: owner, id, claims, lease, clock
_RESERVE = (
    _PRELUDE
    + """
local owner, id, claims = ARGV[1], ARGV[2], cjson.decode(ARGV[3])
local held = prefix .. 'o:' .. owner
redis.call('ZADD', prefix .. 'owners', clock(ARGV[5]) + tonumber(ARGV[4]), owner)
if redis.call('HEXISTS', held, id) == 0 and redis.call('EXISTS', prefix .. 'd:' .. id) == 0 then
  for index, claim in ipairs(claims) do
    if claim[3] ~= cjson.null then
      local s, r = sums(claim[1])
      if s + r + claim[2] > claim[3] then
        return {index - 1, listed(claims)}
      end
    end
  end
  for _, claim in ipairs(claims) do add(claim[1], 0, claim[2], claim[4]) end
  redis.call('HSET', held, id, ARGV[3])
end
return {-1, listed(claims)}
"""
)
# ARGV: owner, id, shares, seconds to remember
_SETTLE = (
    _PRELUDE
    + """
local held, shares = prefix .. 'o:' .. ARGV[1], cjson.decode(ARGV[3])
if redis.call('SET', prefix .. 'd:' .. ARGV[2], '1', 'NX', 'EX', ARGV[4]) then
  local found = redis.call('HGET', held, ARGV[2])
  if found then
    for _, claim in ipairs(cjson.decode(found)) do add(claim[1], 0, -claim[2], claim[4]) end
    redis.call('HDEL', held, ARGV[2])
  end
  for _, share in ipairs(shares) do add(share[1], share[2], 0, share[3]) end
end
return {-1, listed(shares)}
"""
)
# ARGV: owner, lease, clock, whether what is lost is charged
_BEAT = (
    _PRELUDE
    + """
local now, lost = clock(ARGV[3]), 0
redis.call('ZADD', prefix .. 'owners', now + tonumber(ARGV[2]), ARGV[1])
for _, owner in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'owners', '-inf', string.format('(%.6f', now))) do
  local held = prefix .. 'o:' .. owner
  for _, found in ipairs(redis.call('HVALS', held)) do
    for _, claim in ipairs(cjson.decode(found)) do
      add(claim[1], ARGV[4] == '1' and claim[2] or 0, -claim[2], claim[4])
    end
    lost = lost + 1
  end
  redis.call('DEL', held)
  redis.call('ZREM', prefix .. 'owners', owner)
end
return lost
"""
)
_encode = msgspec.json.Encoder().encode


class RedisStore:
    """See :class:`~.store.Store`. ``url`` is ``redis://``, ``rediss://`` or ``unix://``; keys start with ``prefix``.

    Other arguments as in :class:`~.sqlite.SqliteStore`; ``lease_clock`` None is the server's.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "router",
        lease_s: float = 60.0,
        charge_lost: bool = False,
        timeout_s: float = 1.0,
        lease_clock: Callable[[], float] | None = None,
    ) -> None:
        self._where = shown(url)
        self._prefix, self._lease_s, self._charge_lost = f"{{{prefix}}}:", lease_s, charge_lost
        self._lease_clock = lease_clock
        self._owner = uuid4().hex
        self._client = connect(url, timeout_s)
        self._scripts = {name: self._client.register_script(text) for name, text in _SCRIPTS.items()}

    def apply(self, ops: Sequence[Op]) -> list[Reply]:
        """See :class:`~.store.Store`."""
        with telling(self._where):
            if len(ops) == 1:
                return [_reply(ops[0], self._call(ops[0], None))]
            self._load()
            with self._client.pipeline(transaction=False) as pipe:
                for op in ops:
                    self._call(op, pipe)
                return [_reply(op, found) for op, found in zip(ops, pipe.execute(), strict=True)]

    def balances(self, accounts: Sequence[str]) -> list[Balance]:
        """See :class:`~.store.Store`."""
        with telling(self._where), self._client.pipeline(transaction=False) as pipe:
            for account in accounts:
                pipe.hmget(f"{self._prefix}a:{account}", ["s", "r"])
            return [Balance(int(spent or 0), int(reserved or 0)) for spent, reserved in pipe.execute()]

    def beat(self) -> int:
        """See :class:`~.store.Store`. What is over forgets itself (EXPIRE)."""
        with telling(self._where):
            args = [self._owner, self._lease_s, self._clock(), int(self._charge_lost)]
            return int(self._scripts["beat"](keys=[self._prefix], args=args))

    def close(self) -> None:
        """See :class:`~.store.Store`."""
        with suppress(redis.RedisError, OSError):
            self._client.close()

    def _call(self, op: Op, client: Any) -> Any:
        if isinstance(op, Reserve):
            args = [self._owner, op.id, _encode(op.claims), self._lease_s, self._clock()]
            return self._scripts["reserve"](keys=[self._prefix], args=args, client=client)
        args = [self._owner, op.id, _encode(op.shares) if op.shares else "[]", _REMEMBER_S]
        return self._scripts["settle"](keys=[self._prefix], args=args, client=client)

    def _load(self) -> None:
        # A server that was restarted has forgotten the scripts, and a pipeline cannot load them in the middle.
        known = self._client.script_exists(*(script.sha for script in self._scripts.values()))
        for script, is_known in zip(self._scripts.values(), known, strict=True):
            if not is_known:
                self._client.script_load(script.script)

    def _clock(self) -> float:
        return self._lease_clock() if self._lease_clock is not None else 0.0


_SCRIPTS = {"reserve": _RESERVE, "settle": _SETTLE, "beat": _BEAT}


def connect(url: str, timeout_s: float) -> Any:
    """A blocking client; connections are made when they are needed.

    Raises:
        ConfigError: the address is none.
    """
    try:
        # An idle connection may have been closed by the server: one more try, at once; operations may be sent again.
        return redis.Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 1)
        )
    except ValueError as error:
        raise ConfigError(
            f"{shown(url)!r} is no address of Redis ({error}).", hint="Write redis://HOST:6379/0."
        ) from None


def shown(url: str) -> str:
    """The address without user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


@contextmanager
def telling(where: str) -> Iterator[None]:
    """What breaks in the block is told as StateUnavailable."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise StateUnavailable(
            f"the state in {where} cannot be reached ({type(error).__name__}).", hint="Check that Redis runs there."
        ) from error


def _reply(op: Op, found: Any) -> Reply:
    index, flat = found
    balances = tuple(Balance(int(flat[at]), int(flat[at + 1])) for at in range(0, len(flat), 2))
    if not isinstance(op, Reserve):
        return Settled(balances)
    return Granted(balances) if index < 0 else Refused(int(index), balances)


class RedisCache:
    """Answers in Redis, shared by all replicas; see :class:`~.cache.CacheStore`. Keys forget themselves."""

    is_fast = False

    def __init__(self, url: str, *, prefix: str = "router", timeout_s: float = 0.5) -> None:
        self._client, self._prefix = connect(url, timeout_s), f"{prefix}:answer:"

    def get(self, key: str) -> bytes | None:
        """See :class:`~.cache.CacheStore`."""
        found: bytes | None = self._client.get(self._prefix + key)
        return found

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """See :class:`~.cache.CacheStore`."""
        self._client.set(self._prefix + key, value, px=max(1, round(ttl_s * 1000)))

    def close(self) -> None:
        """See :class:`~.cache.CacheStore`."""
        with suppress(redis.RedisError, OSError):
            self._client.close()
