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
local function text(n) return string.format('%.0f', n) end
local sums, changed = {}, {}
local function sum(name)
  local found = sums[name]
  if not found then
    local kept = redis.call('HMGET', prefix .. 'a:' .. name, 's', 'r')
    found = {s = tonumber(kept[1] or '0'), r = tonumber(kept[2] or '0'), ds = 0, dr = 0,
             is_new = not kept[1] and not kept[2]}
    sums[name] = found
  end
  return found
end
local function add(name, spent, reserved, ends)
  local found = sum(name)
  found.s, found.ds = found.s + spent, found.ds + spent
  found.r, found.dr = found.r + reserved, found.dr + reserved
  if ends and ends ~= cjson.null then found.ends = ends end
  changed[name] = found
end
local function write()
  for name, found in pairs(changed) do
    local key = prefix .. 'a:' .. name
    if found.ds ~= 0 then redis.call('HINCRBY', key, 's', text(found.ds)) end
    if found.dr ~= 0 then redis.call('HINCRBY', key, 'r', text(found.dr)) end
    if found.is_new and found.ends then redis.call('EXPIREAT', key, math.ceil(found.ends) + 86400) end
  end
end
"""
# ARGV: owner, lease, clock, seconds to remember, then of each operation its kind (r: reserve, s: settle), its id and
# its entries. What a batch changes is worked out first and written at its end. Answers with numbers between spaces: of
# each reservation -1 or the claim that does not fit, then spent and reserved of each claim's account.
_APPLY = (
    _PRELUDE
    + """
local held, answer = prefix .. 'o:' .. ARGV[1], {}
redis.call('ZADD', prefix .. 'owners', clock(ARGV[3]) + tonumber(ARGV[2]), ARGV[1])
for at = 5, #ARGV, 3 do
  local id, entries, over = ARGV[at + 1], cjson.decode(ARGV[at + 2]), -1
  local done = prefix .. 'd:' .. id
  if ARGV[at] == 'r' then
    if redis.call('EXISTS', done) == 0 and redis.call('HEXISTS', held, id) == 0 then
      for index, claim in ipairs(entries) do
        local found = sum(claim[1])
        if claim[3] ~= cjson.null and found.s + found.r + claim[2] > claim[3] then over = index - 1 break end
      end
      if over < 0 then
        for _, claim in ipairs(entries) do add(claim[1], 0, claim[2], claim[4]) end
        redis.call('HSET', held, id, ARGV[at + 2])
      end
    end
    answer[#answer + 1] = over
    for _, claim in ipairs(entries) do
      local found = sum(claim[1])
      answer[#answer + 1] = text(found.s)
      answer[#answer + 1] = text(found.r)
    end
  elseif redis.call('SET', done, '1', 'NX', 'EX', ARGV[4]) then
    local found = redis.call('HGET', held, id)
    if found then
      for _, claim in ipairs(cjson.decode(found)) do add(claim[1], 0, -claim[2], claim[4]) end
      redis.call('HDEL', held, id)
    end
    for _, share in ipairs(entries) do add(share[1], share[2], 0, share[3]) end
  end
end
write()
return table.concat(answer, ' ')
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
write()
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
        self._apply = self._client.register_script(_APPLY)
        self._beat = self._client.register_script(_BEAT)

    def apply(self, ops: Sequence[Op]) -> list[Reply]:
        """See :class:`~.store.Store`."""
        args: list[Any] = [self._owner, self._lease_s, self._clock(), _REMEMBER_S]
        for op in ops:
            is_reserve = isinstance(op, Reserve)
            entries = op.claims if isinstance(op, Reserve) else op.shares
            args += ("r" if is_reserve else "s", op.id, _encode(entries) if entries else "[]")
        with telling(self._where):
            found = iter(self._apply(keys=[self._prefix], args=args).split())
        return [_reply(op, found) for op in ops]

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
            return int(self._beat(keys=[self._prefix], args=args))

    def close(self) -> None:
        """See :class:`~.store.Store`."""
        with suppress(redis.RedisError, OSError):
            self._client.close()

    def _clock(self) -> float:
        return self._lease_clock() if self._lease_clock is not None else 0.0


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


def _reply(op: Op, numbers: Iterator[bytes]) -> Reply:
    if not isinstance(op, Reserve):
        return Settled()
    over = int(next(numbers))
    balances = tuple([Balance(int(next(numbers)), int(next(numbers))) for _ in op.claims])
    return Granted(balances) if over < 0 else Refused(over, balances)


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
