"""Is an explanation of the answer wanted (MSC-05 of the guide: interpretability)?

"Why" about an answer counts; a text to be written about some matter ("explain photosynthesis") is unknown here, and
"no explanation" is a clear no.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..patterns import late_pattern
from ..types import Signals
from .excerpt import excerpt, near
from .rule import Rule
from .triggers import triggers

__all__ = ["EXPLANATION"]

_TRIGGERS = triggers(
    "why explain explaining explanation explanations reason reasons reasoning rationale justify justification "
    "because elaborate "
    "evidence warum wieso weshalb begründe begründung begründen erkläre erklären erklärung pourquoi explique expliquer "
    "expliquez explication justifie justifier justifiez raisons qué explica explicar explicación justifica justificar "
    "razones razón razona explique justifique perché spiega spiegami motiva motivazione motivo waarom leg "
    "onderbouw uitleg "
    "dlaczego uzasadnij wyjaśnij почему объясни объясните обоснуй обоснование rationales"
)
_EXPLAIN = triggers("explain explique explica spiega")
_NOT = late_pattern(
    r"(?:\bno|\bnot|without|n't|skip|omit|avoid|nothing|don’t|ohne|sans|sin|sem|senza|keine|geen|bez|"
    r"без)(?: \w+){0,5}? ?"
    r"(?:(?:an?|any|further|additional|extra|weitere|eine|aucune|ninguna|nenhuma|alcuna) )?(?:explain|explanations?|"
    r"explaining|reasons?|reasoning|"
    r"rationale|justification|elaborat\w+|commentary|erklärung|begründung|explications?|explicación|explicaciones|"
    r"explicação|spiegazion\w+|uitleg|"
    r"wyjaśnień|объяснени\w+)"
)
_WANTED = late_pattern(
    r"explain (?:why|your|the (?:reason|answer|choice|decision|rationale|result|label)|how you|what led|briefly why|"
    r"in (?:one|a|1|two) "
    r"(?:sentence|line)|its|each|it (?:to|in|step)|"
    r"the difference)|(?:and|then|,) (?:briefly |shortly |please )?explain\b|explain(?:ing)? (?:it|this|that|"
    r"them)? ?why|"
    r"(?:give|provide|include|add|list|state|with|write|return|offer|cite|show|plus) (?:me )?(?:(?:a|an|the|your|"
    r"some|two|three|brief|short|"
    r"one-sentence|concise|clear|detailed|\d) ){0,3}(?:reasons?|rationales?|justifications?|explanations?|reasoning|"
    r"evidence)|"
    r"justify (?:your|the|it|each|why|this|that)|(?:and|say|tell me|know|me|us|also|:|understand|describe|state|"
    r"exactly|,) why\b|why (?:did|do|does|is|are|was|were|would|should|not|has|have|so|or why|you|it|this|that|"
    r"the)\b|\bwhy\?|"
    r"(?:your|the|with) (?:reasoning|rationale)|how (?:did )?you (?:got|came|arrived|get|come|arrive|decided)|"
    r"step[- ]by[- ]step (?:explanation|reasoning)|because\s*(?:\.\.\.|___|:)|what makes (?:it|this|you)|"
    r"begründe|begründung|warum|wieso|weshalb|erkläre,? (?:mir )?(?:warum|wieso|deine|kurz)|"
    r"pourquoi|justifie|explique[rz]? (?:pourquoi|ton|votre|ta|brièvement)|donne[rz]? (?:les|tes|vos) raisons|"
    r"avec une (?:brève )?explication|"
    r"por qué|porqué|por quê|justifica|justifique|explica (?:por|tu|el|brevemente)|explique (?:por|sua|o)|razona tu|"
    r"perché|motiva (?:la|il|bre)|"
    r"spiega(?:mi)? (?:perch|il|la|bre)|waarom|leg (?:\w+ )?uit waarom|onderbouw|dlaczego|uzasadnij|почему|обоснуй|"
    r"объясни(?:те)?,? (?:почему|свой)"
)
_UNSPACED = late_pattern(
    r"为什么|為什麼|理由|解释(?:原因|一下|你)|说明(?:原因|理由)|请?说明为何|原因|なぜ|理由|説明して|根拠|이유|왜|"
    r"설명(?:해|과)|근거"
)
_UNSPACED_NOT = late_pattern(
    r"(?:不要|不需要|无需|不用|请勿|别)[^。,，]{0,4}(?:解释|说明|理由)|説明(?:は|も)?(?:不要|なし|いらない)|"
    r"설명(?:은|을)? ?(?:하지|없이|필요)"
)
_FIELDS = ("reason", "reasoning", "explanation", "rationale", "justification", "why")


def _read(signals: Signals) -> tuple[bool | None, float]:
    request = signals.request
    if request.json_schema is not None and _has_field(request.json_schema):
        return True, 0.9
    if request.tools and any(
        request.tool_choice == tool.name and _has_field(tool.parameters) for tool in request.tools
    ):
        return True, 0.88
    view = signals.view(excerpt)
    if view.is_unspaced:
        if _UNSPACED_NOT.search(view.lower):
            return False, 0.92
        if _UNSPACED.search(view.lower):
            return True, 0.85
    found = view.among(_TRIGGERS)
    if not found:
        return False, 0.95
    around = near(view.lower, found, 90)
    if _NOT.search(around):
        return False, 0.93
    if _WANTED.search(around) is not None:
        return True, 0.88
    return (None, 0.0) if view.groups & _EXPLAIN.bit else (False, 0.85)


def _has_field(schema: Mapping[str, object]) -> bool:
    properties = schema.get("properties")
    return isinstance(properties, Mapping) and any(
        isinstance(name, str) and name.lower() in _FIELDS for name in properties
    )


EXPLANATION = Rule(name="explanation", read=_read)
