"""What a reader must know before reading a report on routing: what the outcomes cannot tell, in plain sentences."""

from __future__ import annotations

import numpy as np

from .outcomes import Outcomes

__all__ = ["cautions"]


def cautions(outcomes: Outcomes, weak: int, strong: int) -> list[str]:
    """Sentences, most important first; none where nothing is amiss. ``weak`` and ``strong`` are the models of APGR."""
    found = []
    low, high = outcomes.models[weak], outcomes.models[strong]
    means, gap = outcomes.scores.mean(axis=0), float((outcomes.scores[:, strong] - outcomes.scores[:, weak]).mean())
    if gap <= 0.0:
        than = "as good as" if gap == 0.0 else "better than"
        found.append(f"{low} is {than} {high} on average: there is no gap to recover, so APGR and CPT do not exist.")
    if not outcomes.has_cost:
        unknown, calls = int(np.isnan(outcomes.usd).sum()), outcomes.usd.size
        found.append(
            f"The cost of {'every call' if unknown == calls else f'{unknown:,} of {calls:,} calls'} is not known: all "
            "calls count as equally dear, and figures of money are left out."
        )
    else:
        usd = outcomes.usd.mean(axis=0)
        best = int(means.argmax())
        if not usd.any():
            found.append("Every call cost nothing: there is no money to save.")
        elif usd[best] <= usd.min():
            found.append(f"{outcomes.models[best]} is the best model and the cheapest: alone it is hard to beat.")
    if outcomes.left_out:
        asked = len(outcomes) + outcomes.left_out
        found.append(
            f"{outcomes.left_out:,} of {asked:,} prompts are left out, for not every model was asked them "
            "(--models A,B compares some models on more prompts)."
        )
    return found
