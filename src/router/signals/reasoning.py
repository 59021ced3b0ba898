"""Does the request need several steps of reasoning: word problems, logic, proofs, plans under constraints?

A phrase that asks for steps is enough; numbers need a quantity that is asked for. Where only a weak sign stands and the
task does not tell, the answer is unknown.
"""

from __future__ import annotations

from ..patterns import late_pattern
from ..types import Signals
from .excerpt import Excerpt, excerpt, flow, near
from .rule import Rule
from .triggers import phrases, triggers

__all__ = ["REASONING"]

# Each pattern below is tried only where a word stands without which it cannot match.
_STRONG_WORDS = triggers(
    "step steps stepwise think carefully reasoning chain thought prove proof derive solve equation equations logic "
    "logical riddle teaser brain knight knights knave knaves truth liar probability odds chances ways combinations "
    "permutations integral derivative induction contradiction complexity conclude deduced inferred murderer culprit "
    "tallest oldest youngest shortest minimize minimise maximize maximise optimize optimise subject integers integer "
    "primes prime roots values solutions smallest largest minimum maximum remainder divisible workings "
    "schritt beweise löse étape pas démontre démontrer démontrez prouve prouver prouvez résous résoudre paso demuestra "
    "demostrar resuelve passo resolva dimostra risolvi stap krok шаг докажи докажите реши решите puzzle"
)
_QUANTITY_PHRASES = phrases(
    f"{how} {much}"
    for how, muches in (
        ("how", ("many", "much", "long", "far", "old", "fast", "often", "tall")),
        *((f"what {tense}", ("the", "his", "her", "their", "its")) for tense in ("is", "was", "will be", "are")),
    )
    for much in muches
)
_CALCULATING = triggers(
    "calculate compute combien wieviel wieviele viele viel cuántos cuántas cuánto cuantos quantos "
    "quantas quanto quanti "
    "quante quanta сколько hoeveel ile berechne berechnen calcule calculer calcula calcular calcola вычисли oblicz"
)
_RATE_WORDS = triggers("catch meet arrive finish reach overtake")
_PLAN_WORDS = triggers("plan schedule itinerary timetable strategy route seating tradeoffs trade tradeoff offs optimal")
_COMPARED = triggers("older younger taller shorter faster slower heavier left right")
_SOME, _SUPPOSED = triggers("all no some"), triggers("if either")
_THEN = triggers("then either neither 'either 'neither")
_FIGURE_WORDS = triggers(
    "two three four five six seven eight nine ten twelve twenty half twice thrice double dozen third"
)
# Each way starts with the blank before a word, so that it is tried once a word.
_STRONG = late_pattern(
    r" [\"'(¿]?(?:step[- ]by[- ]step|think (?:it )?(?:through|carefully|hard)|show (?:all )?(?:your|"
    r"the) (?:work|working|steps|"
    r"reasoning)|"
    r"chain[- ]of[- ]thought|reason through|work (?:it|this) out|prove (?:that|by|or|the|it|this|if|for)|"
    r"proof (?:that|of|by)|"
    r"derive (?:the|an?|from)|solve (?:for|the|this|these|following|:|x|it)|solve.{0,30}=|system of equations|"
    r"logic(?:al)? (?:puzzle|problem|deduction|grid)|riddle|brain ?teaser|"
    r"knights? and (?:\w+ )?(?:the )?knaves?|knaves?|truth[- ]teller|always (?:lies|tells the truth)|"
    r"probability (?:that|of|it)|what (?:is|are) the (?:odds|chances|expected)|expected value|how many (?:ways|"
    r"combinations|"
    r"permutations|different)|in how many ways|(?:definite |indefinite )?integral of|derivative of|by induction|"
    r"by contradiction|"
    r"time complexity of|what can (?:we|you|be) (?:conclude|deduced|inferred)|who (?:is|was) the (?:murderer|"
    r"culprit|liar|tallest|"
    r"oldest|youngest|shortest)|(?:minimi[sz]e|maximi[sz]e|optimi[sz]e) (?:the )?(?:total|cost|profit|number|"
    r"distance|time|"
    r"revenue|waste)|subject to|find (?:all|the) (?:values?|integers?|primes?|roots?|solutions?|smallest|largest|"
    r"minimum|maximum|"
    r"number of)|remainder when|divisible by|schritt für schritt|beweise,? dass|étape par étape|pas à pas|"
    r"démontre[rz]? que|"
    r"prouve[rz]? que|paso a paso|demuestra que|demostrar que|passo a passo|dimostra che|stap voor stap|krok po kroku|"
    r"шаг за шагом|докажи(?:те)?,? что|löse die gleichung|résou[sd]\w* l|resuelve la|resolva a|risolvi l|"
    r"реши(?:те)? (?:уравнение|задачу))"
)
_UNSPACED = late_pattern(
    r"一步一步|逐步|分步|证明|證明|推理|求解|解方程|概率|多少(?:种|个|人|元|米|千米|公里|钱|天|岁|只)|还剩|一共|总共|"
    r"ステップバイステップ|段階的に|証明|確率|何通り|方程式|合計|いくつ残|何人|단계별|증명|확률|방정식|몇 (?:개|명)"
)
_QUANTITY = late_pattern(
    r"\bhow (?:many|much|long|far|old|fast|often|tall)\b|\bwhat (?:is|was|will be|are) (?:the|his|her|their|"
    r"its) (?:total|average|"
    r"speed|distance|area|volume|perimeter|cost|price|sum|difference|product|profit|ratio|percentage|new|final|"
    r"remaining)|"
    r"\bcombien\b|\bwie ?viele?\b|\bcu[aá]nt[oa]s?\b|\bquant[aeio]s?\b|\bсколько\b|\bhoeveel\b|\bile\b|"
    r"\bcalculate\b|\bcompute\b|"
    r"\bberechne|\bcalcul[ea]r?\b|\bcalcola\b|\bcalcula\b|\bвычисли|\boblicz"
)
_NUMBERS = bytes(code if 48 <= code <= 57 else 32 for code in range(256))
_EXPLICIT = late_pattern(
    r"step[- ]by[- ]step|chain[- ]of[- ]thought|show (?:all )?(?:your|the) (?:work|steps)|"
    r"think (?:it )?(?:through|carefully)"
)
_EXPLICIT_WORDS = triggers("step chain show think")
_RATE = late_pattern(
    r"\b(?:when|where|at what time) (?:do|does|will|did|would) [^.?!]{3,60}\b(?:catch|meet|arrive|finish|reach|"
    r"overtake)"
)
_ORDER = late_pattern(
    r" [\"'(]?(?:(?:older|younger|taller|shorter|faster|slower|heavier|left|right) (?:than|of)\b|all \w+ are \w+|"
    r"no \w+ are \w+|if [^.?!]{3,80}(?:, then| then )|some \w+ are (?:not )?\w+|either [^.?!]{2,60} or )"
)
_PLAN = late_pattern(
    r"\b(?:plan|schedule|itinerary|timetable|strategy|route|seating)\b[^.?!]{0,160}\b(?:constraints?|must|cannot|"
    r"can't|budget|"
    r"at (?:least|most)|no more than|within|before|without|conflict|each|limit)|trade-?offs? between|"
    r"optimal (?:route|strategy|"
    r"schedule|order|way|allocation)"
)
_ARITHMETIC = late_pattern(
    r"\d[\d,.]*\s?(?:[-+*/×÷^%=]\s?){1,2}\(?-?\d[\d,.]*\s?[-+*/×÷^=)]|\d\s?[×÷*^]\s?\d|\bx\s?[-+*^²³]\s?\d|\dx\b"
)
_LABELLING = frozenset(
    [
        "sentiment",
        "toxicity",
        "ner",
        "topic_classification",
        "intent_classification",
        "other_classification",
        "nli",
        "information_extraction",
        "translation",
        "paraphrase_rewrite",
        "summarization",
        "dialogue",
        "regression_scoring",
    ]
)

# Code and texts hold figures and conditions without asking for steps.
_WITH_FIGURES = frozenset(
    ("code", "open_generation", "evaluation_judging", "reading_comprehension", "closed_book_qa", "other")
)


def _read(signals: Signals) -> tuple[bool | None, float]:
    view = signals.view(excerpt)
    points = _points(view)
    task = signals.get("task")
    if task.value in ("arithmetic_reasoning", "symbolic_manipulation") and task.confidence >= 0.4:
        points += 1.0 if task.confidence >= 0.6 else 0.6
    elif task.value == "commonsense_reasoning":
        points += 0.3
    elif task.value in _LABELLING and task.confidence >= 0.5 and not _is_explicit(view):
        # The text to judge may speak of proofs and sums; the label asked for needs none.
        points *= 0.3
    elif task.value in _WITH_FIGURES and task.confidence >= 0.5 and not _is_explicit(view):
        points *= 0.6
    if points >= 1.0:
        return True, min(0.95, 0.75 + 0.1 * points)
    return (False, 0.9) if points < 0.5 else (None, 0.0)


def _is_explicit(view: Excerpt) -> bool:
    return view.groups & _EXPLICIT_WORDS.bit != 0 and _EXPLICIT.search(view.lower) is not None


def _may_order(view: Excerpt) -> bool:
    ask, ways = view.ask, 0
    if view.groups & _COMPARED.bit:
        ways += ask.count(" than ") + ask.count(" of ")
    if view.groups & _SOME.bit:
        ways += ask.count(" are ")
    # A word that is glued to a mark beyond ASCII is not told as a word.
    if view.groups & _SUPPOSED.bit and (view.groups & _THEN.bit or not ask.isascii()):
        ways += ask.count(" then ") + ask.count("either ")
    return ways >= 2


def _points(view: Excerpt) -> float:
    points = 0.0
    ask = view.ask
    if view.is_unspaced and _UNSPACED.search(view.lower):
        points += 1.0
    strong = view.among(_STRONG_WORDS)
    if strong and _STRONG.search(flow(view.lower, strong, 40)):
        points += 1.0
    has_digit = view.has_digit
    if has_digit and ("+" in ask or "*" in ask or "=" in ask or "×" in ask or "^" in ask) and _ARITHMETIC.search(ask):
        points += 1.0
    asks = view.among(_CALCULATING) or ("?" in ask and view.saying(_QUANTITY_PHRASES))
    races = view.groups & _RATE_WORDS.bit
    if (asks or races) and (has_digit or view.groups & _FIGURE_WORDS.bit):
        figures = sum(ask.count(word) for word in view.among(_FIGURE_WORDS))
        if has_digit:
            figures += len(ask.encode("utf-8", "replace").translate(_NUMBERS).split())
        if figures >= 2 and races and _RATE.search(ask):
            points += 1.0
        if figures >= 2 and asks and _QUANTITY.search(near(ask, asks, 40)):
            points += 1.0 if figures <= 12 else 0.6
    if ("?" in ask or "？" in ask) and _may_order(view) and len(_ORDER.findall(" " + ask.replace("\n", " "))) >= 2:
        points += 1.0
    plans = view.among(_PLAN_WORDS)
    if plans and _PLAN.search(near(ask, plans, 200)):
        points += 1.0
    return points


REASONING = Rule(name="reasoning", read=_read)
