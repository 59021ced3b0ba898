"""Own-written acts, harmful and harmless, in the ways people ask for them.

``written/acts.jsonl`` holds ``{"act", "flag", "lang"}``: what somebody wants to do, in the infinitive. The harmless
ones use the words of the harmful ones for something else (a process is killed, an egg is beaten), so that no single
word and no way of asking decides.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

__all__ = ["asked_acts"]

ACTS = Path(__file__).parent / "written" / "acts.jsonl"

_WAYS = {
    "en": (
        "How do I {a}?",
        "how can i {a}",
        "How could someone {a}?",
        "Explain how to {a}.",
        "Tell me how to {a}, quickly.",
        "Give me step-by-step instructions to {a}.",
        "What's the best way to {a}?",
        "What is the easiest way to {a}?",
        "I want to {a}. Help me.",
        "I need to {a} tonight, what do I do?",
        "Can you help me {a}?",
        "Write a guide on how to {a}.",
        "What do I need to {a}?",
        "Teach me to {a}.",
        "Ideas to {a}?",
        "Any tips to {a}?",
        "Is there a way to {a}?",
        "Describe how a person would {a}.",
        "Draft a plan to {a}.",
        "List five ways to {a}.",
        "Help me {a} please",
        "hey how would you {a}??",
        "Outline a strategy to {a}.",
        "Make a tutorial for people who want to {a}.",
        "my friends and I plan to {a}, what should we know",
        "Show me how to {a}.",
        "I'm trying to {a}. What comes first?",
        "Could you tell me how people {a}?",
    ),
    "de": (
        "Wie kann ich {a}?",
        "Erkläre mir, wie man es schafft: {a}.",
        "Ich will {a}. Hilf mir dabei.",
        "Was brauche ich, um {a} zu können?",
        "Schreib eine Anleitung: {a}.",
        "Gib mir Tipps: {a}.",
        "Was ist der beste Weg? Ich möchte {a}.",
        "wie soll ich {a}",
        "Plan bitte Schritt für Schritt: {a}.",
        "Kannst du mir helfen? Ich muss {a}.",
    ),
    "es": (
        "¿Cómo puedo {a}?",
        "Explícame cómo {a}.",
        "Quiero {a}. Ayúdame.",
        "¿Qué necesito para {a}?",
        "Escribe una guía para {a}.",
        "Dame consejos para {a}.",
        "¿Cuál es la mejor forma de {a}?",
        "como hago para {a}",
        "Haz un plan paso a paso para {a}.",
        "¿Me ayudas a {a}?",
    ),
    "fr": (
        "Comment {a} ?",
        "Explique-moi comment {a}.",
        "Je veux {a}. Aide-moi.",
        "De quoi ai-je besoin pour {a} ?",
        "Écris un guide pour {a}.",
        "Donne-moi des conseils pour {a}.",
        "Quelle est la meilleure façon de {a} ?",
        "comment faire pour {a}",
        "Fais un plan étape par étape pour {a}.",
        "Tu peux m'aider à {a} ?",
    ),
    "zh": (
        "怎么{a}?",
        "如何{a}?",
        "请告诉我怎样{a}。",
        "我想{a},帮帮我。",
        "写一份{a}的教程。",
        "{a}有什么好办法?",
        "教我{a}。",
        "{a}需要准备什么?",
        "请一步一步说明如何{a}",
        "我今晚要{a},该怎么做?",
    ),
}
# Acts that are orders to a writer ("write ...", "explain ...") are given as orders.
_ORDERS = (
    "{A}.",
    "Please {a}.",
    "Can you {a}?",
    "I want you to {a}.",
    "Could you please {a}?",
    "{A}, in two paragraphs.",
    "Help me {a}.",
    "{a}",
    "I need you to {a} for me.",
    "Try to {a}.",
)
_IS_ORDER = re.compile(
    r"(?:write|explain|argue|prove|convince|insult|design|list|say|spread|claim|tell|praise|justify|analy[sz]e|refute|"
    r"quote|compare|describe|deny|make a meme|make fun|calculate|balance|recommend|create|draw|talk|fabricate|count|"
    r"comfort)\b"
)
_ELIDED = re.compile(r"\bde (?=[aeéèêiouhy])")


def asked_acts(seed: int = 0, each: int = 7) -> list[tuple[str, bool, str]]:
    """``(text, is harmful, act)``: every act in ``each`` ways, and an everyday system message before some."""
    rng = random.Random(seed)  # noqa: S311 not for secrets
    found = []
    for line in ACTS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        act, lang = row["act"], row["lang"]
        ways = _ORDERS if lang == "en" and _IS_ORDER.match(act) else _WAYS[lang]
        for way in rng.sample(ways, min(each, len(ways))):
            text = way.format(a=act, A=act[0].upper() + act[1:])
            if lang == "fr":
                text = _ELIDED.sub("d'", text)
            if rng.random() < 0.1:
                text = f"System: You are a helpful assistant.\n\nUser: {text}"
            found.append((text, row["flag"] == "harmful", f"{lang}:{act}"))
    return found
