"""Sentences of an instruction that say in whole what every label honours: how it is spelt, that nothing else is wanted.

Each is told by its form from its first word to its last, with the few places left open that a caller fills; words that
may twist the answer are looked for by the caller of :func:`is_usual_form`.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .vocabulary import INPUT_WORDS, NOUNS
from .words import alternatives

__all__ = ["ANOTHERS_VIEW", "LED", "TWO_ASKED", "UNBOUND", "is_usual_form", "without_closing"]

_TEXTS = alternatives(INPUT_WORDS)
_LISTS = alternatives(NOUNS)
_LABEL = (
    r"(?:label|word|category|class|tag|name|term|value|option|intent|topic|choice|answer|code|emotion|sentiment|string)"
)
_GIVE = r"(?:print|give|return|output|say|write|answer with|reply with|respond with|send|state)"
_CHATTER = (
    r"(?:pleasantries|small[- ]talk|chatter|chit-?chat|greetings?|introductions?|intros?|preambles?|explanations?|"
    r"formalities|commentary|comments?|prose|filler|fluff|apologies|disclaimers?|punctuation|quotes|quotation marks|"
    r"markdown|formatting|reasoning|justifications?|politeness)"
)
# "Keep it to the label", "use the exact spelling from the list", "skip the pleasantries and print the label", "any
# additional text breaks our import", "nobody reads anything but your label", "this assistant tags tickets for reports",
# "give the one that suits the ticket", "look at the ticket"
_FORMS = tuple(
    late_pattern(form)
    for form in (
        rf"(?:keep|limit|restrict|confine) (?:it|the answer|your (?:answer|reply|output|response)|yourself) (?:to|at) "
        rf"(?:just |only )?(?:the|a|one|a single|that|exactly one) {_LABEL}(?: (?:alone|only|name|itself))?",
        r"(?:please |always |just |only )*(?:use|keep|keep to|copy|match|preserve|respect|stick to|follow|mind|"
        r"adhere to|"
        r"spell|write|reproduce)(?: (?:the|their|its|it|them|to|exact|exactly|precise|same|original|given|listed|"
        r"labels?|"
        r"category|categories|options?|spelling|wording|casing|capitali[sz]ation|names?|strings?|word for word|"
        r"verbatim|"
        r"as|is|are|they|it's|shown|written|from|of|in|list|above|below|here|and|only))+",
        rf"(?:skip|omit|spare me|leave out|drop|cut|forget|avoid|no need for|refrain from|do without)(?: (?:the|any|"
        rf"all|"
        rf"your|me|us))* {_CHATTER}(?:(?:,|,? and|,? or) (?:the |any |all )?{_CHATTER})*(?:,? (?:and |just |only |"
        rf"then )*"
        rf"{_GIVE} (?:me )?(?:only |just )?(?:the|one|a single|that) {_LABEL})?",
        r"(?:(?:any|all|every|an?|the|one) )?(?:additional|extra|further|surplus|superfluous|single extra) (?:text|"
        r"words?|"
        r"characters?|output|tokens?|content|punctuation|commentary|wording)\b[^_:]{2,60}",
        rf"(?:anything|everything|whatever|words?) (?:else|more|beyond (?:that|it|the {_LABEL})|besides (?:it|the "
        rf"{_LABEL})|"
        r"other than (?:that|it)) (?:will|would|is|are|gets?|breaks?|crashes|cannot|can't|confuses|makes?|causes?)\b"
        r"[^_:]{2,50}",
        r"(?:nobody|no one|no human|nothing human|only a (?:machine|script|program|computer)) (?:reads|sees|looks at|"
        r"checks|will read|will see|parses)\b[^_:]{0,50}",
        r"(?:this|the) (?:assistant|bot|service|tool|endpoint|agent|classifier|prompt|job|step) (?:tags|sorts|labels|"
        r"classifies|routes|triages|reads|files|categori[sz]es|handles|processes|serves|supports|screens|moderates)\b"
        r"[^_:]{2,80}",
        r"(?:system|app|application|bot|service|project|name|tool|product|client|channel|source): [\w .'’/&-]{2,60}",
        rf"(?:{_GIVE}|pick|choose|select|name|take|find|report) (?:me )?(?:the |only the |just the |whichever )"
        r"(?:single )?(?:one )?(?:that |which )?(?:best |most closely )?(?:describes|fits|applies|matches|suits|covers|"
        r"characteri[sz]es|reflects)(?: (?:best|most|to))*(?: (?:it|(?:this|the|that) (?:[\w'’-]+ ){0,2}[\w'’-]+))?",
        rf"(?:please )?(?:check|look at|take a look at|consider|examine|inspect|scan|study|review|read|go through) "
        rf"(?:the|this|each|every|that) (?:(?:following|given|whole|entire) )?(?:[\w-]+ )?(?:{_TEXTS})"
        r"(?: (?:below|above|carefully|closely|first|text))*",
        rf"(?:the|your) {_LABEL} (?:is|tells|names|gives|states) (?:the|its|their) (?:severity|urgency|priority|"
        rf"topic|type|kind|"
        r"category|sentiment|mood|tone|intent|class|language|subject|department|team|emotion|genre|status|level|area)"
        r"(?: (?:of|for) (?:the|this|that|each) (?:[\w'’-]+ ){0,2}[\w'’-]+)?",
        rf"{_GIVE} the (?!(?:{_TEXTS})\b)(?:[\w-]+ )?(?!(?:{_TEXTS})\b)[\w-]+ itself(?:, (?:no|not the|without(?: "
        rf"its)?|"
        r"not its) (?:numbering|numbers?|letters?|index|codes?|bullets?))?",
        rf"(?:one|a single|exactly one|only one|just one) {_LABEL}(?:,| -| and)? (?:no|without|not) (?:\w+ )?"
        r"(?:punctuation|explanations?|quotes|reasons?|comments?|sentences?|prose|more|other words?)",
        rf"(?:these|those|the above)(?: (?:\w+ )?(?:{_LISTS}))? (?:are|is) (?:all|final|fixed|complete|the only ones|"
        r"exhaustive|closed)",
    )
)
# "Would a ten-year-old find this scary or funny?", "As a strict teacher, would you call it weak or strong?"
ANOTHERS_VIEW = late_pattern(
    r"\b(?:would|might) (?:an?|most|any|some|many) (?!(?:author|writer|reader|customer|user|speaker)\b)(?:[\w’'-]+ "
    r"){1,4}?"
    r"(?:find|call|see|consider|feel|think|say|regard|perceive|judge|rate)\b|"
    r"\bas an? [^,.\n]{3,40}, (?:would|do|does|is|are|how|what)\b",
    re.IGNORECASE,
)
"""Somebody else judges."""
# "Output 'Category: ' and then one of them"
LED = late_pattern(
    r"[\"'`“‘][\w ]{1,30}[:=>-]+ ?[\"'`”’],? (?:and|then|followed|before|plus)\b|\bfollowed by (?:an?|the|your)\b",
    re.IGNORECASE,
)
"""What is to be written before the label."""
# "the language of the text and whether it is positive or negative"
TWO_ASKED = late_pattern(
    r"\b(?:return|give|output|report|state|write|print|provide|tell me|identify|determine|detect|say) (?:me )?(?:the|"
    r"its|their) "
    r"(?:[\w-]+ )?[\w-]+(?: of (?:the|this|that) [\w-]+)?,? (?:and|plus|as well as) (?:also )?(?:whether|if|what|how|"
    r"who)\b",
    re.IGNORECASE,
)
"""Two things are asked for."""
# "Do not invent new categories."
# "You're not limited to these."
UNBOUND = late_pattern(
    r"\b(?:not|n't|n’t|never) (?:limited|restricted|confined|bound|tied) to\b|\b(?:need|needs|do|does)(?: not|n't) "
    r"(?:have to |need "
    r"to )?(?:stick|keep to|be one of|come from|limit)\b|\bbeyond (?:these|this list|the list)\b|\b(?:not|n't) "
    r"(?:exhaustive|"
    r"final|complete)\b",
    re.IGNORECASE,
)
"""The list is open."""
_CLOSING = late_pattern(
    r"(?:^|(?<=[.;!\n] ))(?:please |you (?:must |should |may |can )?)?(?:do not|don't|never|must not|may not|cannot|"
    r"can't|avoid|not) (?:ever )?(?:invent|creat|make up|add|propos|introduc|suggest|com(?:e|ing) up with|us|return|"
    r"output|assign|mak)\w*(?: up)?(?: (?:any|an?|your|of))*(?: (?:own|new|other|another|additional|different|extra))+ "
    r"[\w-]+(?: of your own)?(?=\W*(?:[.;!\n]|$))",
    re.IGNORECASE | re.MULTILINE,
)
# "If several fit, choose the most fitting one": as is done anyway
_BEST_ANYWAY = late_pattern(
    r"(?:^|(?<=[.;!\n\]] )|(?<=\n))(?:[-*•] )?(?:if|when|in case) "
    r"(?:it is |it['’]s |you(?: are|['’]re) |the \w+ is |still )?"
    r"(?:ambiguous|unsure|uncertain|in doubt|unclear|not sure|(?:more than one|several|multiple)"
    r"(?: (?:labels?|categor\w+|options?|classes|of them))? (?:could |may |might |seem to )?"
    r"(?:appl(?:y|ies)|fits?|match(?:es)?)) ?(?:[,:]|→|->)? ?(?:then |please |always )?"
    r"(?:choose|pick|select|use|return|go with|give) (?:only )?(?:the|one)"
    r"(?: (?:single|one|most|best|closest|more|plausible|likely|probable|fitting|appropriate|relevant|suitable|"
    r"matching|dominant|applicable))+ ?(?:one|label|category|class|match|option|intent|topic)?"
    r"(?: without (?:any )?explanation)?(?=\W*(?:[.;!\n]|$))",
    re.IGNORECASE | re.MULTILINE,
)
# "The output is only valid if it is one of the labels."
_VALID = late_pattern(
    r"\b(?:the |your |an )?(?:output|answer|response|reply) is (?:only )?valid (?:only )?if it "
    r"(?:is|matches|equals) (?:exactly )?one of (?:the|these)(?: \d+| \w+){0,2}? "
    r"(?:labels|categories|classes|options|values|words)(?=[.;\n]|$)",
    re.IGNORECASE,
)
_NEW = ("new ", "own ", "other ", "another ", "additional ", "different ", "extra ")


def is_usual_form(lower: str) -> bool:
    """Whether a sentence in small letters is of one of these forms as a whole."""
    lower = lower.strip(" \t*->•\"'(")
    return any(form.fullmatch(lower) is not None for form in _FORMS)


def without_closing(text: str) -> str:
    """An instruction without the order to stay with the list."""
    if "the most " in text or "the best " in text or "the closest " in text or "the single " in text:
        text = _BEST_ANYWAY.sub("", text)
    if " valid " in text:
        text = _VALID.sub("", text)
    return _CLOSING.sub("", text) if any(word in text for word in _NEW) else text
