"""Symbols that mean something else than in the real world: redefined operators, unit names, letters; ASCII-art digits.

KNW-03 of the guide: models do worse than chance where what they know is wrong here (BIG-bench: Srivastava et al., 2022,
arXiv:2206.04615, tasks on redefined mathematics and ASCII digits).
"""

from __future__ import annotations

import re

from ..types import Signals
from .excerpt import excerpt
from .rule import Rule, triggers

__all__ = ["REDEFINED", "SYMBOLS"]

_OPERATOR = r"(?:[-+*/×÷%^@#$&⊕⊗★☆◆△▽∘<>=~!|?]{1,2}|plus|minus|times|addition|subtraction|multiplication|division)"
_QUOTED = rf"[\"'`“‘(]?{_OPERATOR}[\"'`”’)]?"

REDEFINED = re.compile(
    rf"(?:\blet|\bsuppose|\bassume|\bimagine|\bif|\bsay|\bpretend)(?: that)? (?:the )?(?:symbols? |signs? |"
    rf"operators? |operations? )?{_QUOTED} "
    r"(?:now )?(?:means?|denotes?|stands? for|represents?|is (?:re)?defined|be defined|is (?:swapped|exchanged|"
    r"replaced)|mean|be|swaps?|actually)|"
    rf"\bredefin\w+ (?:the )?(?:\w+ ){{0,4}}|"
    rf"(?:\bsymbols? |\bsigns? |\boperators? |\boperations? ){_QUOTED} (?:now )?(?:means|denotes?|stands? for|"
    rf"is (?:re)?defined|is (?:swapped|replaced))|"
    rf"\bdefine (?:a |an |the )?(?:new )?(?:binary )?(?:operations?|operators?|symbols?)|"
    r"\b(?:let|suppose|assume|imagine|if|pretend)(?: that)? (?:the )?(?:number |digit |word |letter |colou?r |"
    r"value of )?(?:\"?[\w ]{1,12}\"? (?:be |is |are |means? |now "
    r"means? |equals? )(?:re)?(?:defined as|redefined)|(?:pi|π|e|one|two|three|four|five|six|seven|eight|nine|ten|"
    r"[a-z]?\d{1,3}) "
    r"(?:means?|denotes?|stands for|now means?))|"
    r"\b(?:pi|π|the speed of light|gravity|e) (?:is |be |equals |= ?)(?:redefined|now)|"
    r"\bin (?:this|our) (?:world|system|language|notation|game)[^.?!\n]{0,60}\b(?:means|equals|stands for|is called|"
    r"is swapped)|"
    r"(?:swap|exchange|switch|reverse) the (?:meanings?|roles?|symbols?)|(?:meaning|meanings) (?:of|"
    r"for) [^.?!\n]{0,40}(?:swapped|exchanged|reversed|switched)|"
    rf"\b[a-z0-9]\s?{_OPERATOR}\s?[a-z0-9] (?:means|is defined as|denotes|:=|stands for)|"
    rf"angenommen,? (?:das zeichen )?{_QUOTED} (?:bedeutet|steht für)|{_QUOTED} (?:bedeutet|significa|signifie|"
    rf"steht für|表示|代表|意味着|定义为)|"
    rf"(?:soit|supposons que|supongamos que|sea) (?:le symbole |el símbolo )?{_QUOTED}|定义(?:新)?运算|"
    rf"规定[^。]{{0,12}}(?:运算|表示)|重新定义"
)
_PLAIN_WORDS = re.compile(
    r"\b(?:let|suppose|pretend|imagine|assume)(?: that)? (?:the words? )?[\"'`“]?\w+[\"'`”]? (?:now )?(?:means?|"
    r"denotes?|stands? for) [\"'`“]?\w+"
)
_TRIGGERS = triggers(
    "let suppose assume imagine pretend redefine redefined redefining define defined symbol symbols operator "
    "operators operation "
    "means denotes swap swapped swaps exchange exchanged reverse reversed angenommen bedeutet soit supposons sea "
    "supongamos "
    "significa signifie switch"
)
_UNSPACED = re.compile(r"定义(?:新)?运算|规定|重新定义|新运算|演算子|定義")
# Rows of blanks and one or two marks, at least four of them alike in width: a figure drawn with characters.
_ART = re.compile(r"(?:^[ #*@.|_/\\\-+=oO0X█▓▒░▄▀■□●]{5,80}$\n?){4,}", re.MULTILINE)
_FORMS = re.compile(r"[#*@█▓■●]{2}|[|_/\\]{2}|[#*@█X0][ .]+[#*@█X0]")


def _read(signals: Signals) -> tuple[bool | None, float]:
    view = signals.view(excerpt)
    if view.user.count("\n") >= 4 and _is_art(view.user[:4000]):
        return True, 0.8
    if view.is_unspaced and _UNSPACED.search(view.lower) and REDEFINED.search(view.lower):
        return True, 0.85
    if _TRIGGERS.isdisjoint(view.words):
        return False, 0.97
    if REDEFINED.search(view.lower):
        return True, 0.88
    return (True, 0.75) if _PLAIN_WORDS.search(view.lower) else (False, 0.93)


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
