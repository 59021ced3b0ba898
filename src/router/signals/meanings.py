"""Does a request mean by a label what a model's data meant by it? Only where it says so in words that can mean nothing
else.

A request may call spam what it likes. So a gloss agrees with a model's label when one of its words names the label's
meaning as a whole and every other word is a part of that meaning or says nothing. One strange word, a negation or a
narrower sense ("positive: recommends it to friends") and the model does not know the label that is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["agrees"]

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|\S")
_LONGEST = 120


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


class _Sense(NamedTuple):
    """``whole``: words of which each means what the label means. ``parts``: words that may stand beside such a one."""

    whole: frozenset[str]
    parts: frozenset[str] = frozenset()


# Words that say nothing of which texts a label is for.
_EMPTY = _words(
    """
    a an the this that these it its is are was be and or , ; / ' . of in with for to by from which
    any some clearly mainly mostly overall generally general kind sort
    text texts message messages review reviews comment comments post posts tweet tweets sentence sentences content
    feedback remark remarks statement statements customer author user writer reviewer speaker person
    expresses express expressing expressed shows show showing contains contain containing conveys convey conveying
    has have having sounds sound feels feel feeling feelings seems indicates indicating reflects
    sentiment emotion emotions emotional tone mood opinion opinions attitude experience
    """
)
# "everything else": what the other of two labels leaves.
_REST = frozenset({"everything else", "anything else", "all else", "all others", "the rest"})
# By the model's task and label; of a model for other labels, or for the same in another sense, nothing is known here.
_TABLE = """
sentiment positive: positive favorable favourable happy happiness satisfied satisfaction pleased good
    + delighted glad enthusiastic enthusiasm approval approving joy great praise praises likes like enjoys
sentiment negative: negative unfavorable unfavourable unhappy unhappiness dissatisfied dissatisfaction displeased bad
    + disappointed disappointment criticism critical frustrated frustration annoyed angry complaint complaints
sentiment neutral: neutral neither + nor positive negative balanced factual indifferent
other_classification spam: spam unsolicited unwanted junk
    + advertising advertisement advertisements ads commercial promotional promotion promotions bulk scam scams fraud
    fraudulent marketing mail email e-mail sms
other_classification ham: legitimate genuine ham + normal regular ordinary wanted personal mail email e-mail sms
toxicity toxic: toxic abusive
    + rude insulting insult insults hateful offensive threatening threats harassing harassment hate disrespectful
toxicity not_toxic: non-toxic nontoxic civil + polite respectful harmless acceptable
other_classification clickbait: clickbait
    + sensational sensationalist misleading exaggerated headline headlines title titles
other_classification objective: objective factual + facts fact neutral information
other_classification subjective: subjective opinionated + personal view views judgement judgment
other_classification anger: anger angry + furious annoyed rage irritated
other_classification disgust: disgust disgusted + revulsion repulsed
other_classification fear: fear afraid scared fearful + anxious worried terrified anxiety
other_classification joy: joy joyful happy happiness + delighted glad pleased
other_classification sadness: sadness sad + unhappy grief sorrow sorrowful
other_classification surprise: surprise surprised + astonished amazed astonishment
"""


def _senses() -> Iterator[tuple[tuple[str, str], _Sense]]:
    for entry in _TABLE.replace("\n    ", " ").strip().splitlines():
        name, _, words = entry.partition(": ")
        task, label = name.split()
        whole, _, parts = words.partition(" + ")
        yield (task, label), _Sense(_words(whole), _words(parts))


_SENSES: Mapping[tuple[str, str], _Sense] = dict(_senses())


def agrees(task: str, label: str, meaning: str, *, is_one_of_two: bool = False) -> bool:
    """Whether ``meaning``, as a request words it, is what a model of ``task`` was taught ``label`` means.

    ``is_one_of_two``: the model has one other label, so that what this one leaves is that one's.
    """
    said = meaning.casefold()
    if is_one_of_two and said in _REST:
        return True
    sense = _SENSES.get((task, label))
    if sense is None or len(said) > _LONGEST:
        return False
    words = frozenset(_WORD.findall(said))
    if words.isdisjoint(sense.whole) or not words <= sense.whole | sense.parts | _EMPTY:
        return False
    return "neither" not in words or {"nor", "positive", "negative"} <= words or len(words) == 1
