"""Symbols that mean something else than in the real world: redefined operators, unit names, letters; ASCII-art digits.

KNW-03 of the guide: models do worse than chance where what they know is wrong here (BIG-bench: Srivastava et al., 2022,
arXiv:2206.04615, tasks on redefined mathematics and ASCII digits).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..patterns import late_pattern
from ..types import Signals
from .excerpt import COUNTED, Excerpt, excerpt, flow, lines
from .rule import Rule
from .triggers import triggers

__all__ = ["SYMBOLS", "redefines"]

_OPERATOR = r"(?:[-+*/×÷%^@#$&⊕⊗★☆◆△▽∘<>=~!|?]{1,2}|plus|minus|times|addition|subtraction|multiplication|division)"
_QUOTED = rf"[\"'`“‘(]?{_OPERATOR}[\"'`”’)]?"

# Read in a text with a blank in front of each word; each way starts with that blank, so that it is tried once a word.
_REDEFINED = late_pattern(
    rf" [\"'(]?(?:(?:let|suppose|assume|imagine|if|say|pretend)(?: that)? (?:the )?(?:symbols? |signs? |operators? |"
    rf"operations? )?{_QUOTED} (?:now )?(?:means?|denotes?|stands? for|represents?|is (?:re)?defined|be defined|"
    r"is (?:swapped|exchanged|replaced)|mean|be|swaps?|actually)|"
    r"redefin\w+ (?:the )?\w+|"
    rf"(?:symbols?|signs?|operators?|operations?) {_QUOTED} (?:now )?(?:means|denotes?|stands? for|is (?:re)?defined|"
    r"is (?:swapped|replaced))|"
    r"define (?:a |an |the )?(?:new )?(?:binary )?(?:operations?|operators?|symbols?)|"
    r"(?:let|suppose|assume|imagine|if|pretend)(?: that)? (?:the )?(?:number |digit |word |letter |colou?r |value of )?"
    r"(?:\"?[\w ]{1,12}\"? (?:be |is |are |means? |now means? |equals? )(?:re)?(?:defined as|redefined)|"
    r"(?:pi|π|e|one|two|three|four|five|six|seven|eight|nine|ten|[a-z]?\d{1,3}) "
    r"(?:means?|denotes?|stands for|now means?))|"
    r"(?:pi|π|the speed of light|gravity|e) (?:is |be |equals |= ?)(?:redefined|now)|"
    r"in (?:this|our) (?:world|system|language|notation|game)[^.?!]{0,60} (?:means|equals|stands for|is called|"
    r"is swapped)|"
    r"(?:swap|exchange|switch|reverse) the (?:meanings?|roles?|symbols?)|"
    r"meanings? (?:of|for) [^.?!]{0,40}(?:swapped|exchanged|reversed|switched)|"
    rf"[a-z0-9]\s?{_OPERATOR}\s?[a-z0-9] (?:means|is defined as|denotes|:=|stands for)|"
    rf"angenommen,? (?:das zeichen )?{_QUOTED} (?:bedeutet|steht für)|"
    rf"{_QUOTED} (?:bedeutet|significa|signifie|steht für)|"
    rf"(?:soit|supposons que|supongamos que|sea) (?:le symbole |el símbolo )?{_QUOTED})"
)
_REDEFINED_UNSPACED = late_pattern(
    rf"定义(?:新)?运算|规定[^。]{{0,12}}(?:运算|表示)|重新定义|{_OPERATOR} ?(?:表示|代表|意味着|定义为|を表す|と定義)"
)
_PLAIN_WORDS = late_pattern(
    r" (?:let|suppose|pretend|imagine|assume)(?: that)? (?:the words? )?[\"'`“]?\w+[\"'`”]? (?:now )?(?:means?|"
    r"denotes?|stands? for) [\"'`“]?\w+"
)
_REDEFINING = triggers(
    "redefine redefined redefining symbol symbols operator operators operation operations swap swapped swaps exchange "
    "exchanged reverse reversed switch switched redefines"
)
_SUPPOSING = triggers("let suppose assume imagine pretend if angenommen soit supposons sea supongamos world notation")
_MEANING = triggers(
    "mean means denote denotes stands represents swapped defined equals called bedeutet steht significa signifie"
)
_UNSPACED = late_pattern(r"定义(?:新)?运算|规定|重新定义|新运算|演算子|定義")
# Rows of blanks and one or two marks, at least four of them alike in width: a figure drawn with characters.
_DRAWN = 4000  # characters in which a drawing is looked for
_ART_MARKS = " #*@.|_/\\-+=oO0X█▓▒░▄▀■□●"
_ART = late_pattern(rf"(?:^[{re.escape(_ART_MARKS)}]{{5,80}}$\n?){{4,}}", re.MULTILINE)
_FORMS = late_pattern(r"[#*@█▓■●]{2}|[|_/\\]{2}|[#*@█X0][ .]+[#*@█X0]")


def _may_redefine(view: Excerpt) -> bool:
    """A cheap test whether the patterns can match at all."""
    return (
        view.groups & _REDEFINING.bit != 0
        or (view.groups & _MEANING.bit and view.groups & _SUPPOSING.bit != 0)
        or (view.is_unspaced and _UNSPACED.search(view.lower) is not None)
    )


def redefines(view: Excerpt) -> bool:
    """Operators, numbers or words are given another meaning than they have."""
    return _may_redefine(view) and _is_redefined(view)


def _is_redefined(view: Excerpt) -> bool:
    return _REDEFINED.search(_around(view)) is not None or (
        view.is_unspaced and _REDEFINED_UNSPACED.search(view.lower) is not None
    )


def _around(view: Excerpt) -> str:
    """The stretches in which something may be given a meaning, in one line."""
    words = view.among(_REDEFINING) | view.among(_SUPPOSING) | view.among(_MEANING)
    return flow(view.lower, words, 80)


def _read(signals: Signals) -> tuple[bool | None, float]:
    view = signals.view(excerpt)
    breaks = view.breaks + view.user.count("\n", COUNTED)
    if breaks >= 4:
        drawn = view.user[:_DRAWN]
        if _may_be_art(signals.view(lines) if drawn is view.user else drawn.split("\n")) and _is_art(drawn):
            return True, 0.8
    if not _may_redefine(view):
        return False, 0.97
    if _is_redefined(view):
        return True, 0.88
    return (True, 0.75) if _PLAIN_WORDS.search(_around(view)) else (False, 0.93)


def _may_be_art(rows: Sequence[str]) -> bool:
    drawn = 0
    for row in rows:
        if len(row) >= 5 and row[0] in _ART_MARKS and not row.strip(_ART_MARKS):
            drawn += 1
    return drawn >= 4


def _is_art(text: str) -> bool:
    art = _ART.search(text)
    if art is None:
        return False
    rows = [row for row in art[0].split("\n") if row.strip()]
    # Tables and rulers are drawn with the same marks, row by row alike; a figure changes.
    return (
        len(rows) >= 4
        and len(set(rows)) >= 2
        and len(_FORMS.findall(art[0])) >= 3
        and not any(
            re.fullmatch(r"[\s|+\-=_:.]+", row) and ("+-" in row or "|-" in row or "---" in row) for row in rows
        )
    )


SYMBOLS = Rule(name="symbols", read=_read)
