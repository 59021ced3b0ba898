"""Whether words at the edges of a located text may be the caller's: an order or remark behind the text.

Where instruction and text share a message and nothing closes the text, its last paragraph may be either's. One that
speaks of labels or of answers, or orders something, is taken for the caller's, so that no rule is judged as text.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..patterns import late_pattern
from .frame_words import ASKS, CALLS, DENIES, DOES, GIVES
from .vocabulary import ANSWER_WORDS, NOUNS
from .words import stands_in, table, words_of

__all__ = ["may_speak"]

_LONGEST = 240
_GAP = late_pattern(r"\n[ \t]*\n")
_HEADED = late_pattern(r"[A-Z][\w '-]{2,30}:\s")
_SENTENCE = late_pattern(r"[.!?](?=\s)")
_ORDERS = (
    ASKS
    | CALLS
    | DENIES
    | DOES
    | GIVES
    | table(
        """
        avoid ignore forget leave omit skip stick prefix finish begin start append include prefer treat wrap weigh
        remember focus stay translate summarize summarise rewrite spell limit restrict use never always only just
        exclude judge note edit update correction suggest recommend draft propose do repeat
        additionally also then wait scratch actually
        second secondly third finally nothing any anything no one just exactly every everything all other others
        """
    )
) - table("thank greet know call like is point post mail work move send order spot match fill register group")
# What a caller says of answers; a letter seldom does.
_OF_ANSWERS = (
    (NOUNS | ANSWER_WORDS)
    - table(
        """
        answer type kind class order orders type section sections status mood tone department services service team
        options option value choice level topic theme subject priority response result decision queue spam rating
        themes teams departments topics groups group code codes values levels choices types output classes set sets
        folders boards themes emotion emotions categorie categoria genre genres buckets classi tema temi etiqueta
        """
    )
) | table(
    """
    labelled labeled unlabelled json synonym runner-up classifier annotator tagger pipeline borderline ambiguous
    unsure verbatim headings list coin smiley
    """
)
_ROLE = late_pattern(
    r"(?:you(?:'re| are) (?:an? |the )?(?:[\w-]+ ){0,4}(?:classifier|assistant|expert|bot|annotator|tagger|model|"
    r"system|labeller|labeler|moderator|agent|step)|act as|as an? [\w -]{3,40}you |this assistant|your (?:job|task|"
    r"role|reply|answer|output|response|whole reply)\b|you (?:sort|classify|label|tag|categori[sz]e|route|triage|help "
    r"our|work for|must|should (?:always|never|only)))",
    2,
)
_CONDITION = late_pattern(
    r"(?:if|when|where|in|should|whenever|unless)\b[^.\n]{0,80}(?:unsure|unclear|doubt|hesitate|ambiguous|"
    r"none|no [\w-]+ (?:suits|fits|applies|matches|is right)|no[nt]e? of|neither|text|undecided|"
    r"(?:n't|not|cannot) (?:decide|tell|sure|fit|apply|english)|two of (?:them|"
    r"these)|both|empty)\b",
    2,
)


def may_speak(piece: str, labels: Sequence[str], *, has_before: bool, has_behind: bool) -> bool:
    """Whether the last paragraph of a located text, or its first one, may speak to the model.

    ``has_before``: an instruction stands before the text; ``has_behind``: one stands behind it.
    """
    cuts = [match.span() for match in _GAP.finditer(piece)]
    if not cuts:
        return has_behind and len(piece) < _LONGEST and _ROLE.match(piece) is not None
    if has_before and _speaks(piece[cuts[-1][1] :], labels):
        return True
    if has_before and _HEADED.match(piece, cuts[0][1]) and _speaks(piece[: cuts[0][0]], labels):
        return True  # an order, and then "Survey answer: ..."
    return has_behind and (_speaks(piece[: cuts[0][0]], labels) or _speaks(piece[cuts[-1][1] :], labels))


def _speaks(part: str, labels: Sequence[str]) -> bool:
    part = part.strip(" \t\n-*#>\"'(")
    if not part or len(part) > _LONGEST or len(_SENTENCE.findall(part)) > 2:
        return False
    lower = part.lower()
    words = lower.split()
    first = words[0].strip(".,:;!?")
    if first in ("please", "and", "but", "or", "so", "plus", "now", "finally") and len(words) > 1:
        first = words[1].strip(".,:;!?")
    if first in _ORDERS or _ROLE.match(part) is not None or _CONDITION.match(part) is not None:
        return True
    if not _OF_ANSWERS.isdisjoint(words_of(part)):
        return True
    return len(words) < 16 and any(
        stands_in(lower, label.lower()) if len(label) > 3 else stands_in(part, label) for label in labels[:64]
    )
