"""Which target follows from a task label, by the guide (sections 1 and 2), and which label a reading stands for.

A wrong label that leads to the right target costs nothing, so the target is chosen first, by the probability of all its
labels together, and of these the likeliest. Where probabilities are right, no other choice leads to the right target
more often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["TARGET_OF_TASK", "chosen"]

TARGET_OF_TASK: Mapping[str, str] = {
    "sentiment": "local",  # NLU-02, a tie that goes to the cheaper
    "topic_classification": "local",  # NLU-01
    "intent_classification": "local",  # NLU-01
    "toxicity": "local",  # NLU-03
    "ner": "local",  # NLU-04
    "information_extraction": "local",  # NLU-04
    "nli": "local",  # NLU-05
    "reading_comprehension": "local",  # NLU-08, KNW-04
    "regression_scoring": "local",  # MSC-01
    "other_classification": "llm",  # NLU-07
    "summarization": "llm",  # GEN-01
    "translation": "llm",  # GEN-02, GEN-03
    "open_generation": "llm",  # GEN-04
    "code": "llm",  # GEN-05
    "paraphrase_rewrite": "llm",  # GEN-00
    "closed_book_qa": "llm",  # KNW-01
    "dialogue": "llm",  # MSC-02
    "data_annotation_or_generation": "llm",  # MSC-03
    "evaluation_judging": "llm",  # MSC-04
    "other": "llm",  # RWD-03
    "arithmetic_reasoning": "large",  # SCL-01
    "commonsense_reasoning": "large",  # SCL-02
    "symbolic_manipulation": "large",  # SCL-03
}


def chosen(tasks: Sequence[str], probabilities: Sequence[float]) -> int:
    """The index of the likeliest label of the likeliest target. A task that the guide does not know is its own."""
    targets = [TARGET_OF_TASK.get(task, task) for task in tasks]
    totals = dict.fromkeys(targets, 0.0)
    for target, probability in zip(targets, probabilities, strict=True):
        totals[target] += probability
    best = max(totals, key=totals.__getitem__)
    return max((at for at, target in enumerate(targets) if target == best), key=probabilities.__getitem__)
