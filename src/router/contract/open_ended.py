"""Requests that name no closed list of answers, told by their first words and by the words that they lack.

A gate before the full reading, which takes up to a hundred times as long. It lets pass a message that begins by asking
for a text of the model's own and says nothing of labels, and one that holds none of the words and signs that announce
answers; everything else is read in full.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from ..types import Request
from .polar import YES_WORDS
from .vocabulary import CLASSIFY, NOUNS
from .words import table, words_of

__all__ = ["LISTING", "is_open_ended"]

# Fields of a body beside OpenAI's own that list the answers or their form, as vLLM and llama.cpp have them.
LISTING = ("guided_choice", "guided_regex", "grammar", "guided_grammar")
_LONGEST = 20_000
_ASKED = (
    r"(?:(?:please|pls|kindly|hi|hello|hey|now|ok|okay|bitte|por favor)\b[\s,:!.]*)*"
    r"(?:(?:can|could|would|will) you (?:please )?(?:help me (?:to )?)?|i (?:want|need|would like) you to |"
    r"i'd like you to |help me (?:to )?|let's |i need to |i want to )?(?:please )?"
)
_WORK = (
    r"essay|story|stories|poem|haiku|limerick|sonnet|song|lyrics|rap|joke|jokes|speech|letter|e-?mail|mail|reply|"
    r"response to|message to|article|blog|post|tweet|thread|caption|captions|headline|headlines|slogan|slogans|"
    r"script|dialogue|dialog|scene|chapter|novel|plot|biography|bio|resume|cv|proposal|report|memo|newsletter|"
    r"press release|summary|overview|introduction|conclusion|outline|guide|tutorial|manual|recipe|plan|itinerary|"
    r"program|programme|function|class|method|code|query|queries|regex|expression|module|component|app|application|"
    r"api|test|tests|dockerfile|makefile|spec|documentation|docstring|readme|website|page|pitch|toast|obituary|"
    r"fable|fairy tale|monologue|narrative|paragraph|paragraphs|description|explanation|advertisement|ad"
)
_BEGINS = late_pattern(
    _ASKED + r"(?:"
    r"(?:(?:write|draft|compose|create|generate|make|develop|build|design|produce|prepare|code)(?: me| us| up| out)?|"
    r"(?:give|tell|suggest)(?: me| us)?(?= (?:an?|another|some|two|three|four|five|six|ten|\d|several)\b))"
    rf"(?: [\w'’+#/-]+){{0,4}}? (?:{_WORK})\b|"
    r"(?:translate|summari[sz]e|paraphrase|rephrase|rewrite|reword|proofread|brainstorm|refactor|debug|implement|"
    r"continue|outline|elaborate|simplify|shorten|polish|übersetze?|fasse|schreib|verfasse|formuliere|traduis|"
    r"traduisez|résume|résumez|rédige|rédigez|écris|traduce|traduzca|resume|redacta|escribe|traduza|resuma|escreva|"
    r"traduci|riassumi|scrivi|vertaal|schrijf)\b|"
    r"(?:explain|describe|discuss)(?: to me| to us| in [\w ]{1,24}?)? (?:how|why|the|what|in)\b|"
    r"how (?:do|can|should|would|could|to) ?(?:i|you|we|one|it)?\b|"
    r"what(?:'s| is| are) (?:the |some |a )?(?:good |best |main |key |major )?"
    r"(?:difference|differences|ways?|steps|benefits|advantages|causes|reasons|history|recipe|recipes)\b"
    r")",
    re.IGNORECASE,
)
# With one of these a choice between given answers may be asked for.
_CLOSING = (
    (CLASSIFY - table("tell read call put handle score predict analyze analyse mark file sort rate tag flag sage sag"))
    | (NOUNS - table("set levels values type types outputs theme themes tone tones options choices section sections"))
    | table(
        """
        yes true either whether choose pick select classifier classifiers option single exactly respond
        reply answer answers
        """
    )
)
_LIMITS = table("only just one word words letter number digit nothing return output print which or what is are")
# Without any of these, and without the signs of a list, no English request lists answers.
_CUES = (
    _CLOSING
    | CLASSIFY
    | NOUNS
    | YES_WORDS
    | table(
        """
        or oder vs only just one word words letter letters nothing alone return output print map code which nur ja nein
        antwort antworte antwoord kies elige escolha scegli responde responda rispondi
        """
    )
)
# Signs of a list or a form: a bar, a slash or a tag, commas in brackets or behind a colon, lines that begin alike.
_LISTS = late_pattern(
    r"[/|<{]|\([^()\n]*,|[:?=][^\n.?!]{0,80},|[:?]\W*\n\S[^\n]{0,40}\n|^[ \t]*(?:[-*•]|\(?\w{1,2}[.)])[ \t]",
    re.MULTILINE,
)
_GENERIC = late_pattern(r"you are (?:an?|the) (?:[\w-]+ ){0,3}(?:assistant|ai|model|chatbot)\b[^\n:,]{0,60}", re.I)
_ENGLISH = table("the a an i you my is are how to")
_LEAST = 24


def is_open_ended(request: Request) -> bool:
    """Whether one message, under no instruction that could list answers, is plainly to be answered in free words."""
    messages = request.messages
    if (
        not messages
        or request.json_schema is not None
        or request.wants_json
        or request.tools
        or request.hints.labels is not None
        or request.hints.input is not None
    ):
        return False
    text = messages[-1].text
    if messages[-1].role != "user" or not _LEAST <= len(text) <= _LONGEST:
        return False
    if any(key in request.body for key in LISTING):
        return False
    if any(message.role != "system" for message in messages[:-1]):
        return False
    words = words_of(text)
    if not words.isdisjoint(_CLOSING):
        return False
    if _BEGINS.match(text) is None:
        if not words.isdisjoint(_CUES) or words.isdisjoint(_ENGLISH) or not text.isascii():
            return False
        if text.count(":") > 3 or _LISTS.search(text) is not None:
            return False
        return all(_GENERIC.fullmatch(message.text) is not None for message in messages[:-1])
    if (last := text.rstrip().rfind("\n")) >= 0 and not _LIMITS.isdisjoint(words_of(text[last:])):
        return False
    return all(_CLOSING.isdisjoint(words_of(message.text)) for message in messages[:-1])
