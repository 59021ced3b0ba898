"""What a provider charges, and what a call costs at it: by token, by call, and by what is no token.

Arithmetic only. A price that is unknown stays unknown: it is never taken for zero, and a sum that needs it is None.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .types import TokenCount, Units, Usage

__all__ = [
    "RATES",
    "Price",
    "PriceTier",
    "UnitPrices",
    "cost_usd",
    "dearest_rates",
    "expected_usd",
    "unit_lines",
    "worst_case_usd",
    "worst_units_usd",
]

# The fewest output tokens that providers count a generated picture as
# (https://platform.openai.com/docs/guides/image-generation#cost-and-latency: 272 for the smallest).
_TOKENS_A_PICTURE = 256


class _Rates(msgspec.Struct, frozen=True, kw_only=True):
    """USD a token of each kind."""

    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    image_input: float | None = None
    image_output: float | None = None


RATES = _Rates.__struct_fields__


class PriceTier(_Rates, frozen=True, kw_only=True):
    """Prices of a call with more than ``above`` input tokens; None keeps the price of the tier below."""

    above: int


class UnitPrices(msgspec.Struct, frozen=True, kw_only=True):
    """USD for what is no token; None where the provider charges nothing for it, or counts it in tokens.

    ``image`` for each picture in the request: its tokens then cost nothing, unless they have a price of their own.
    ``image_output`` for each picture that is written. ``second`` for each second that the call takes, which is
    ``most_seconds`` at most. ``search`` for each search of the web: with a small, a medium and a large context;
    ``always_searches``: each call does, asked or not.
    """

    image: float | None = None
    image_output: float | None = None
    second: float | None = None
    search: tuple[float, float, float] | None = None
    always_searches: bool = False
    most_seconds: float = 600.0

    def over(self, other: UnitPrices | None) -> UnitPrices:
        """These prices, and ``other`` where they say nothing."""
        if other is None:
            return self
        mine = {name: value for name in _UNITS if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(other, **mine, always_searches=self.always_searches or other.always_searches)

    @property
    def is_only_asked(self) -> bool:
        """Whether a call that asks for none of it is charged nothing of it."""
        return self.second is None and self.image_output is None and not self.always_searches

    def searched(self, units: Units) -> float:
        """The price of a search with the context that was asked for."""
        return 0.0 if self.search is None else self.search[_SIZES.index(units.search_size)]


_UNITS = ("image", "image_output", "second", "search")
_SIZES = ("low", "medium", "high")
_NOTHING = Units()


class Price(_Rates, frozen=True, kw_only=True):
    """USD a token. None is unknown, and unknown is never zero; a free local server says 0.0.

    Some may be left out where a provider names none: ``cached_input``, ``cache_write`` and ``image_input`` are then
    billed as ``input``, ``reasoning`` and ``image_output`` as ``output``. Audio (``audio_input``, ``audio_output``)
    costs other than text nearly everywhere: without a price of its own it is unknown. ``per_call`` is USD a call beside
    the tokens, ``by_unit`` what else is charged. ``tiers`` are the prices of long inputs, in rising order; a whole call
    is billed at the tier of its input.
    """

    per_call: float = 0.0
    by_unit: UnitPrices | None = None
    tiers: tuple[PriceTier, ...] = ()

    def at(self, input_tokens: int) -> Price:
        """The price of a call with that many input tokens."""
        if not self.tiers or input_tokens <= self.tiers[0].above:
            return self
        found = msgspec.structs.replace(self, tiers=())
        for tier in self.tiers:
            if input_tokens > tier.above:
                named = {name: getattr(tier, name) for name in RATES if getattr(tier, name) is not None}
                found = msgspec.structs.replace(found, **named)
        return found

    @property
    def picture_token(self) -> float | None:
        """USD a token of a picture in the request."""
        if self.image_input is not None:
            return self.image_input
        return 0.0 if self.by_unit is not None and self.by_unit.image is not None else self.input


def cost_usd(price: Price, usage: Usage) -> float | None:
    """What ``usage`` costs; None when a price that it needs is unknown."""
    if price.by_unit is None and not price.tiers and _is_plain(usage):
        rate, output_rate = price.input, price.output
        if rate is not None and output_rate is not None:
            return price.per_call + usage.input * rate + usage.output * output_rate
    at = price.at(usage.input)
    plain = usage.input - usage.cached_input - usage.cache_write - usage.audio_input - usage.image_input
    plain_output = usage.output - usage.reasoning - usage.audio_output - usage.image_output
    by_unit = sum(count * rate for _, count, rate in unit_lines(at.by_unit, usage.units))
    return _sum(
        at.per_call + by_unit,
        (max(plain, 0), at.input),
        (usage.cached_input, at.cached_input if at.cached_input is not None else at.input),
        (usage.cache_write, at.cache_write if at.cache_write is not None else at.input),
        (max(plain_output, 0), at.output),
        (usage.reasoning, at.reasoning if at.reasoning is not None else at.output),
        (usage.audio_input, at.audio_input if at.audio_input is not None or at.input else at.input),
        (usage.audio_output, at.audio_output if at.audio_output is not None or at.output else at.output),
        (usage.image_input, at.picture_token),
        (usage.image_output, at.image_output if at.image_output is not None else at.output),
    )


def _is_plain(usage: Usage) -> bool:
    """Whether nothing but text was read and written, and nothing of it had a price of its own."""
    return not (
        usage.cached_input
        or usage.cache_write
        or usage.reasoning
        or usage.audio_input
        or usage.audio_output
        or usage.image_input
        or usage.image_output
    )


def unit_lines(prices: UnitPrices | None, units: Units | None) -> Iterator[tuple[str, float, float]]:
    """What is charged beside tokens and the call: its kind, how often, and USD for each."""
    if prices is None or units is None:
        return
    for kind, count, rate in (
        ("picture", units.images, prices.image),
        ("picture written", units.images_output, prices.image_output),
        ("second", units.seconds, prices.second),
        ("search", units.searches or 0, prices.searched(units)),
    ):
        if rate and count:
            yield kind, count, rate


def expected_usd(price: Price, tokens: TokenCount, *, seconds: float = 0.0) -> float | None:
    """What a call that takes so many seconds would probably cost: no cache, the expected output. None when a price is
    unknown."""
    at = price.at(tokens.input) if price.tiers else price
    if at.input is None or at.output is None:  # a call always has both
        return None
    usd = at.per_call + tokens.input * at.input + tokens.output * at.output
    if at.by_unit is None or (tokens.units is None and at.by_unit.is_only_asked):
        return usd
    asked = tokens.units or _NOTHING
    searches = 1 if asked.searches is None else max(asked.searches, int(at.by_unit.always_searches))
    units = msgspec.structs.replace(asked, seconds=seconds, searches=searches)
    return usd + sum(count * rate for _, count, rate in unit_lines(at.by_unit, units))


def worst_case_usd(price: Price, tokens: TokenCount, *, max_latency_ms: float | None = None) -> float | None:
    """The most a call may cost: the dearest kind of input and ``output_max`` tokens of the dearest kind of output, and
    all else that the request asks for. ``max_latency_ms``: the longest that it may take."""
    at = price.at(tokens.input) if price.tiers else price
    dearest = dearest_rates(at)
    if dearest is None:
        return None
    units = 0.0 if at.by_unit is None else worst_units_usd(at.by_unit, tokens, max_latency_ms)
    if units is None:
        return None
    return at.per_call + units + tokens.input * dearest[0] + tokens.output_max * dearest[1]


def dearest_rates(price: Price) -> tuple[float, float] | None:
    """USD a token of the dearest kind of input and of output; None when a price that every call needs is unknown."""
    dear_input, dear_output = price.input, price.output
    if dear_input is None or dear_output is None:
        return None
    for rate in (price.cache_write, price.audio_input, price.image_input):
        if rate is not None and rate > dear_input:
            dear_input = rate
    for rate in (price.reasoning, price.audio_output, price.image_output):
        if rate is not None and rate > dear_output:
            dear_output = rate
    return dear_input, dear_output


def worst_units_usd(prices: UnitPrices, tokens: TokenCount, max_latency_ms: float | None = None) -> float | None:
    """The most that a call may cost beside its tokens; None when nothing bounds it."""
    if tokens.units is None and prices.is_only_asked:
        return 0.0
    asked = tokens.units or _NOTHING
    if asked.searches is None and prices.search is not None:
        return None
    units = msgspec.structs.replace(
        asked,
        images_output=max(1, tokens.output_max // _TOKENS_A_PICTURE),
        seconds=prices.most_seconds if max_latency_ms is None else min(prices.most_seconds, max_latency_ms / 1000.0),
        searches=max(asked.searches or 0, int(prices.always_searches)),
    )
    return sum(count * rate for _, count, rate in unit_lines(prices, units))


def _sum(per_call: float, *parts: tuple[int, float | None]) -> float | None:
    total = per_call
    for tokens, rate in parts:
        if tokens <= 0:
            continue
        if rate is None:
            return None
        total += tokens * rate
    return total
