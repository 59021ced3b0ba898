"""Fill the figures of README.md and docs/ from benchmarks/results, so that no figure is ever typed by hand.

A block begins with ``<!-- figures: NAME -->`` and ends with ``<!-- /figures -->``. ``--check`` changes nothing and
exits with 1 when a block is not what the results say.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- /figures -->)", re.DOTALL)


def decision(results: Mapping[str, Any]) -> str:
    rows = ["| words | p50 | p99 | with reading the JSON, p50 | the same request again, p50 |", "|---|---|---|---|---|"]
    for words, row in results["words"].items():
        again = f"{row['again_p50_us']:.0f} us" if "again_p50_us" in row else "-"
        rows.append(
            f"| {int(words):,} | {row['p50_us']:.0f} us | {row['p99_us']:.0f} us | {row['from_bytes_p50_us']:.0f} us | "
            f"{again} |"
        )
    return "\n".join([*rows, "", where(results)])


def startup(results: Mapping[str, Any]) -> str:
    names = {
        "bare_python": "bare Python",
        "import_router": "`import router`",
        "import_Router": "`from router import Router`",
        "first_decision": "`Router()` and a first decision",
        "command_help": "`router --help`, whole process",
    }
    rows = ["| | time | peak memory |", "|---|---|---|"]
    for key, row in results["figures"].items():
        memory = f"{row['rss_mib']:.0f} MiB" if "rss_mib" in row else ""
        rows.append(f"| {names[key]} | {row['seconds'] * 1000:.0f} ms | {memory} |")
    return "\n".join([*rows, "", where(results)])


def readings(results: Mapping[str, Any]) -> list[str]:
    rows = [
        "| prompts | read by | strict (95 %) | lenient | macro-F1 (95 %) | target (95 %) | surest 60 % | ECE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    sets = (("tasks_dev", "data sets, none seen"), ("tasks_chat_dev", "as people and applications write"))
    kinds = (("", "n-grams"), ("_deep", "encoder"), ("_mixed", "n-grams, encoder where unsure"))
    for key, name in sets:
        for kind, called in kinds:
            row = results.get(f"{key}{kind}")
            if row is not None:
                rows.append(
                    f"| {name}, {row['rows']:,} | {called} | {_with(row, 'strict')} | {row['lenient']:.3f} | "
                    f"{_with(row, 'macro_f1')} | {_with(row, 'target')} | {row['surest_60_percent']:.3f} | "
                    f"{row['ece']:.3f} |"
                )
    return rows


def _with(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.3f} ({low:.3f} to {high:.3f})"


def understanding(results: Mapping[str, Any]) -> str:
    return "\n".join([*readings(results), "", where(results)])


def risks(results: Mapping[str, Any]) -> str:
    rows = [
        "| | set | rows | AUROC (95 %) | recall (95 %) | benign flagged | hard benign flagged | twins in order |",
        "|---|---|---|---|---|---|---|---|",
    ]
    sets = {
        "dev": "data sets, none seen",
        "contrast_dev": "pairs in nearly one wording",
        "answers": "answers of models",
        "en": "English",
        "de": "German",
        "es": "Spanish",
        "fr": "French",
        "zh": "Chinese",
    }
    looks = {
        "first_look": "first look",
        "deep_unsure": "deep reading where unsure",
        "deep_always": "deep reading of all",
        "second_look": "with second look",
    }
    for look, called in looks.items():
        figures = results.get(look)
        for key, name in sets.items() if figures else ():
            row = figures["languages"][key] if key in figures["languages"] else figures[key]
            hard = f"{row['hard_benign_flagged']:.3f}" if "hard_benign_flagged" in row else ""
            pairs = f"{row['pairwise']:.2f} of {row['pairs']}" if "pairwise" in row else ""
            rows.append(
                f"| {called} | {name} | {row['rows']:,} | {_with(row, 'auroc')} | {_with(row, 'recall')} | "
                f"{row['benign_flagged']:.3f} | {hard} | {pairs} |"
            )
    if "deep_unsure" in results:
        asked = results["deep_unsure"]["dev"]["read_deeply"]
        rows += ["", f"Where unsure: {asked:.0%} of the requests of the data sets were read deeply."]
    if "time_ms" in results:
        time = results["time_ms"]
        rows += [
            "",
            f"A second look takes {time['20_words']} ms for 20 words, {time['200_words']} ms for 200, "
            f"{time['2000_words']} ms for 2,000.",
        ]
    return "\n".join([*rows, "", where(results)])


def tasks(results: Mapping[str, Any]) -> str:
    sets = {"data sets": "tasks_dev", "people and applications": "tasks_chat_dev"}
    best = "_mixed" if "tasks_dev_mixed" in results else ""
    columns = [(name, key, kind) for kind in dict.fromkeys(("", best)) for name, key in sets.items()]
    titles = [f"F1, {name}{', with the encoder' if kind else ''}" for name, _, kind in columns]
    rows = [*readings(results), ""]
    if best:
        shares = [f"{results[f'{key}_mixed']['read_deeply']:.0%} of {name}" for name, key in sets.items()]
        rows += [f"The encoder was asked for {' and '.join(shares)}.", ""]
    rows += [f"| task | {' | '.join(titles)} |", "|---" * (1 + len(titles)) + "|"]
    for label in sorted(results["tasks_dev"]["f1"]):
        figures = [results[f"{key}{kind}"]["f1"].get(label, 0) for _, key, kind in columns]
        rows.append(f"| {label} | {' | '.join(f'{figure:.2f}' for figure in figures)} |")
    typed = results["typos_dev"]
    names = {"fast": "n-grams", "deep": "encoder", "mixed": "both"}
    told = [
        f"{names[key]} {typed[key]['with_three_typos']:.3f} right, without {typed[key]['strict']:.3f}"
        for key in names
        if key in typed
    ]
    slips = f"With three typos in each of {typed['rows']:,} requests: {'; '.join(told)}."
    confused = []
    for name, key in sets.items():
        confused.append(f"Most confused, {name}: " + "; ".join(results[f"{key}{best}"]["most_confused"][:6]) + ".")
    time = results["time"]
    if "200_words_deep_ms" in time:
        took = ", ".join(f"{time[f'{words}_words_deep_ms']} ms for {words:,} words" for words in (20, 200, 2000))
        confused += ["", f"A deep reading takes {took}."]
    return "\n".join([*rows, "", slips, "", *confused, "", where(results)])


def local_models(results: Mapping[str, Any]) -> str:
    rows = [
        "| model | labels | measured on | accuracy (95 %) | macro-F1 | answers | wrong among answered | OOD AUROC |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, model in results["models"].items():
        promise = model["promise"]
        most = max(part["max_error"] for part in (promise, *promise.get("by_language", {}).values()))
        for data, row in model["sets"].items():
            low, high = row["accuracy_interval"]
            answered = f"{row['error_answered']:.1%}" if row.get("error_answered") is not None else ""
            if answered and row["error_answered_interval"][0] > most:
                answered = f"**{answered}**, {most:.0%} promised"
            auroc = f"{row['ood_auroc']:.3f}" if row.get("ood_auroc") is not None else ""
            rows.append(
                f"| {name} | {model['labels']} | {data}{'' if row['seen_domain'] else ' (unseen)'} | "
                f"{row['accuracy']:.3f} ({low:.3f} to {high:.3f}) | {row['macro_f1']:.3f} | {row['coverage']:.1%} | "
                f"{answered} | {auroc} |"
            )
    note = "Bold: the 95 % interval lies above what the model promises for texts like its own."
    return "\n".join([*rows, "", note, "", where(results)])


def routing(results: Mapping[str, Any]) -> str:
    rows = [
        "| outcomes | predictor | APGR (95 %) | the router is ahead by (95 %) | AUROC weak fails "
        "| over best single, same cost (95 %) |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in results["sets"].items():
        for rival, row in found["routers"].items():
            two, many = row["pair"], row["many"]
            ahead = _interval(row["router_ahead"]) if "router_ahead" in row else ""
            rows.append(
                f"| {name} | {rival} | {_interval(two['apgr'])} | {ahead} | {two['auroc_weak_fails']['value']:.3f} | "
                f"{_interval(many['over_best_single'])} |"
            )
        rows.append(f"| {name} | oracle | {found['oracle_apgr']:.3f} | | 1.000 | |")
    ours = results["time"]["us"]["router"]
    times = ["| predictor | one prompt | times the router's |", "|---|---|---|"]
    times += [f"| {rival} | {us:,.0f} us | {us / ours:,.1f} |" for rival, us in results["time"]["us"].items()]
    return "\n".join([*rows, "", "Time to predict one prompt, each predictor in turn on each prompt:", "", *times,
                      "", "What the data allows:", "", *_limits(results), "", where(results)])  # fmt: skip


def _limits(results: Mapping[str, Any]) -> list[str]:
    told = {name: found["limits"] for name, found in results["sets"].items() if "limits" in found}
    rows = [
        "| outcomes | stronger better | weaker better | alike | oracle | APGR, knowing other models' scores (95 %) "
        "| AUROC of the same | prompts with a twin | correlation of twins' gains |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in told.items():
        counts = " | ".join(f"{found[key]:,}" for key in ("stronger_better", "weaker_better", "alike"))
        inside = (
            " | ".join(_interval(found["insider"][key]) for key in ("apgr", "auroc_weak_fails"))
            if "insider" in found
            else "nobody else was asked | "
        )
        twins = f"{found['twins']:,}" if "twins" in found else "not looked for"
        alike = f"{found['twins_correlation']:.2f}" if "twins_correlation" in found else ""
        oracle = results["sets"][name]["oracle_apgr"]
        rows.append(f"| {name} | {counts} | {oracle:.3f} | {inside} | {twins} | {alike} |")
    curves = [
        "| outcomes | figure | with 1/8 of the training prompts | 1/4 | 1/2 | all | a doubling brings (95 %) |",
        "|---|---|---|---|---|---|---|",
    ]
    curved = {name: found for name, found in told.items() if "learning_curve" in found}
    for name, found in curved.items():
        for figure, title in (("apgr", "APGR"), ("auroc_weak_fails", "AUROC weak fails")):
            curve = found["learning_curve"][figure]
            points = ["" if at is None else f"{at:.3f}" for at in curve["shares"].values()]
            curves.append(f"| {name} | {title} | {' | '.join(points)} | {_interval(curve['a_doubling'])} |")
    return [*rows, *(["", *curves] if curved else [])]


def routing_parts(results: Mapping[str, Any]) -> str:
    left = {
        name: found
        for name, found in results["sets"].items()
        if all("datasets" in row for row in found["routers"].values()) and len(found["routers"]) > 1
    }
    rivals = list(dict.fromkeys(rival for found in left.values() for rival in found["routers"]))
    rows = [
        f"| learnt from | told of | prompts | weak right | strong right | {' | '.join(rivals)} |",
        f"|---|---|---|---|---|{'---|' * len(rivals)}",
    ]
    for name, found in left.items():
        parts = {rival: row["datasets"] for rival, row in found["routers"].items()}
        for part, facts in next(iter(parts.values())).items():
            if facts["apgr"]["value"] is None:
                continue  # the weak model is as good
            apgrs = " | ".join(_interval(parts[rival][part]["apgr"]) if rival in parts else "" for rival in rivals)
            rows.append(
                f"| {name} | {part} | {facts['prompts']:,} | {facts['weak']:.3f} | {facts['strong']:.3f} | {apgrs} |"
            )
    return "\n".join([*rows, "", where(results)])


def routing_published(results: Mapping[str, Any]) -> str:
    rows = [
        "| outcomes | predictor | AIQ | arena score (95 %) | accuracy | USD a thousand | optimal selection "
        "| optimal cost | optimal accuracy | robustness |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in results["sets"].items():
        alone = found["singles"]
        if "best_arena" not in alone:
            continue
        for rival, row in found["routers"].items():
            told = row["arena"]
            rows.append(
                f"| {name} | {rival} | {row['many']['aiq']:.3f} | "
                f"{_interval(told['arena'])} | {told['accuracy']:.3f} | "
                f"{told['usd_per_1000']:.3f} | {told['optimal_selection']:.3f} | {told['optimal_cost']:.3f} | "
                f"{told['optimal_accuracy']:.3f} | {told['robustness']:.3f} |"
            )
        rows.append(f"| {name} | models mixed at random | {alone['aiq_of_random_mix']:.3f} | | | | | | | |")
        rows.append(f"| {name} | the best model alone | | {alone['best_arena']:.3f} | | | | | | |")
    return "\n".join([*rows, "", where(results)])


GOALS = (  # set, figure, goal, what an untuned linear model reaches
    ("routellm_mmlu", "apgr", 0.66, 0.596),
    ("routellm_mmlu", "auroc_weak_fails", 0.75, 0.707),
    ("routellm_gsm8k", "apgr", 0.58, 0.541),
    ("routerbench_arc_challenge", "apgr", 0.60, 0.536),
    ("routerbench_mbpp", "apgr", 0.60, 0.564),
    ("routerbench_winogrande", "apgr", 0.53, 0.494),
)


def routing_goals(results: Mapping[str, Any]) -> str:
    names = {"apgr": "APGR", "auroc_weak_fails": "AUROC weak fails"}
    rows = [
        "| outcomes | figure | untuned linear model | goal | router (95 %) | reached |",
        "|---|---|---|---|---|---|",
    ]
    for name, figure, goal, floor in GOALS:
        found = results["sets"][name]["routers"]["router"]["pair"][figure]
        told = (
            "yes" if found["value"] >= goal else "no, the interval holds it" if found["interval"][1] >= goal else "no"
        )
        rows.append(f"| {name} | {names[figure]} | {floor:.3f} | {goal:.2f} | {_interval(found)} | {told} |")
        pooled = results["sets"].get("one pair, all sets together")
        dataset = name.removeprefix("routerbench_")
        if told != "yes" and pooled is not None and dataset in pooled["datasets"]:
            both = pooled["routers"]["router"]["datasets"][dataset]["apgr"]
            told = "yes" if both["value"] >= goal else "no, the interval holds it"
            rows.append(f"| {name}, learnt with other sets | APGR | | {goal:.2f} | {_interval(both)} | {told} |")
    many = results["sets"]["routerdc_7models"]["routers"]["router"]["many"]["over_best_single"]
    reached = "yes" if many["interval"][0] > 0 else "no"
    rows.append(f"| routerdc_7models | over best single, same cost | | above 0 | {_interval(many)} | {reached} |")
    return "\n".join([*rows, "", where(results)])


def routing_bounds(results: Mapping[str, Any]) -> str:
    goals, rows = results["goals"], ["| outcomes, figure, goal | told by | figure (95 %) |", "|---|---|---|"]
    mbpp, together = results["mbpp"], results["together"]
    joined = "router, alone or with other sets as its training prompts say"
    told = {
        f"routellm_mmlu, AUROC weak fails, {goals['mmlu']}": results["mmlu"],
        f"routerbench_mbpp, APGR, {goals['mbpp']}": {"router": mbpp["router"], joined: results["chosen"]["mbpp"]},
        f"routerbench_winogrande, APGR, {goals['winogrande']}": {
            **results["winogrande"],
            joined: results["chosen"]["winogrande"],
        },
        "RouterBench's three sets together, over best single, above 0": {
            "router": together["router"]["over_best_single"]
        },
        "RouterBench's three sets together, AIQ over random mix, above 0": {
            "router": together["router"]["over_random_mix"]
        },
    }
    for name, figures in told.items():
        rows.extend(f"| {name} | {who} | {_interval(figure)} |" for who, figure in figures.items())
    low, high = mbpp["other_folds"]
    counts = [f"{each['folds_with_others']} of {each['folds']} on {name}" for name, each in results["chosen"].items()]
    best = together["best_single"]
    lines = [
        f"mbpp: {mbpp['prompts_that_tell']} of {mbpp['router']['prompts']} prompts tell the two models apart. With "
        f"other draws of folds alone the router's APGR is {low:.3f} to {high:.3f}; "
        f"{mbpp['prompts_to_tell_goal_from_chance']:,} prompts would tell the goal from chance, "
        f"{mbpp['prompts_to_tell_goal_from_router']:,} from what the router has.",
        "",
        f"Folds whose training prompts asked for the other sets: {', '.join(counts)}.",
        "",
        f"RouterBench's sets together ({together['prompts']:,} prompts, {together['models']} models): {best['model']} "
        f"alone is right in {best['quality']:.3f}, and is the best model of "
        + ("each set" if set(together["best_of_each_set"].values()) == {best["model"]} else "some sets, not of all")
        + f"; in {together['best_fails_another_right']:.1%} of the prompts it is wrong and another right. At 95 % of "
        f"its quality the routing saves {together['router']['saving_at_95_percent']:.0%} of its cost.",
    ]
    return "\n".join([*rows, "", *lines, "", where(results)])


def routing_routes(results: Mapping[str, Any]) -> str:
    rows = [
        "| | accuracy, all taken | taken | taken and right | wrong of the taken (95 %) | outsiders taken "
        "| AUROC of outsiders | one text | fitting, processor |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in results["routers"].items():
        low, high = row["wrong_of_taken_interval"]
        wrong = f"{row['wrong_of_taken']:.1%} ({low:.1%} to {high:.1%})" if row["taken"] else ""
        accuracy = "not told" if row["accuracy"] is None else f"{row['accuracy']:.3f}"
        rows.append(
            f"| {name} | {accuracy} | {row['taken']:.1%} | {row['taken'] * (1 - row['wrong_of_taken']):.1%} | "
            f"{wrong} | {row['outsiders_taken']:.1%} | "
            f"{row['outsiders_auroc']:.3f} | {row['us']:,.0f} us | {row['fit_processor_seconds']:.0f} s |"
        )
    told = f"{results['routes']} routes, {results['utterances']} utterances each."
    return "\n".join([*rows, "", told, "", where(results)])


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['value']:.3f} ({low:.3f} to {high:.3f})"


def day(results: Mapping[str, Any]) -> str:
    large = results["always_large"]
    rows = [
        "| | bill | accuracy | random, same bill | answered here | of it right | wrongly here | refused | redacted "
        "| p50 | p99 |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, key in (("always the large model, the best alone", "always_large"), ("always the small", "always_small")):
        row = results[key]
        rows.append(f"| {name} | {row['usd'] / large['usd']:.0%} | {row['accuracy']:.3f} | | | | | | | | |")
    for name, row in results["presets"].items():
        refused = sum(count for target, count in row["targets"].items() if target.startswith("refuse"))
        rows.append(
            f"| `{name}` | {row['usd'] / large['usd']:.0%} | {row['accuracy']:.3f} | "
            f"{row['random_at_equal_cost']:.3f} | {row['local_share']:.0%} | {row['local_accuracy']:.3f} | "
            f"{row['wrongly_local']} | {refused / results['requests']:.0%} | {row['masked']} | "
            f"{row['p50_ms']:.0f} ms | {row['p99_ms']:.0f} ms |"
        )
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in results["kinds"].items())
    told = f"{results['requests']:,} requests ({kinds}), arriving as a Poisson process, {results['rate']:.0f} a second."
    capped = results.get("capped")
    if capped is not None:
        refused, spent = capped["targets"].get("refused: BudgetExceeded", 0), capped["usd"] / capped["cap_usd"]
        told += (
            f" With a budget of half its bill, `{capped['preset']}` spent {spent:.1%} of it "
            f"(${capped['overshoot_usd']:.6f} too much) and refused {refused:,} requests for it."
        )
    return "\n".join([*rows, "", told, "", where(results)])


def day_tiers(results: Mapping[str, Any]) -> str:
    rows = [
        "| kind | requests | small right | large right | share of the large bill | paid for one more right answer |",
        "|---|---|---|---|---|---|",
    ]
    whole = results["always_large"]["usd"]
    for kind, row in results["tiers"].items():
        count, small, large = results["kinds"][kind], row["small"], row["large"]
        told = ["not judged", "not judged", f"{large['usd'] / whole:.0%}", "unknown"]
        if small["accuracy"] is not None:
            more = (large["accuracy"] - small["accuracy"]) * count
            price = f"${(large['usd'] - small['usd']) / more:.3f}" if more > 0 else "nothing is gained"
            told = [f"{small['accuracy']:.3f}", f"{large['accuracy']:.3f}", told[2], price]
        rows.append(f"| {kind} | {count:,} | {' | '.join(told)} |")
    return "\n".join([*rows, "", where(results)])


def proxy(results: Mapping[str, Any]) -> str:
    rows = [
        "| | added p50 | added p99 | added to the first token | requests/s | with 200 words | processor a request |"
        " with 200 words | first answer | memory |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in results["added"].items():
        rows.append(
            f"| {name} | {row['p50_ms']:.2f} ms | {row['p99_ms']:.2f} ms | {row['ttft_ms']:.2f} ms | "
            f"{row['per_s_20']:,} | {row['per_s_200']:,} | {row['cpu_us_20']:,} us | {row['cpu_us_200']:,} us | "
            f"{row['cold_start_s']:.2f} s | {row['rss_mib']} MiB |"
        )
        if name == "router" and "per_s_20_again" in row:
            rows.append(
                f"| router, all requests alike | {row['p50_ms_again']:.2f} ms | {row['p99_ms_again']:.2f} ms | | "
                f"{row['per_s_20_again']:,} | {row['per_s_200_again']:,} | {row['cpu_us_20_again']:,} us | "
                f"{row['cpu_us_200_again']:,} us | | |"
            )
    told = f"{results['rounds']} rounds of {results['seconds_each']} s each, medians; 20 words unless said, "
    told += f"{results['concurrency']} connections for requests/s, one for latencies; proxy pinned to one core."
    if results.get("priority"):
        told += " What is measured runs before the other work of the machine."
    router = results["added"].get("router", {})
    if "waited_us" in router:
        told += f" At one connection, a request of the router's waited {router['waited_us']:,} us for a core."
    workers = results.get("workers")
    if workers:
        one, many = workers["by_workers"]["1"], workers["by_workers"][str(workers["workers"])]
        told += (
            f" One worker spends {one['cpu_us']:,.0f} us on a request, each of {workers['workers']} spends "
            f"{many['cpu_us']:,.0f} us: {workers['scales']:.1f} times as many requests with a core for each; here, "
            f"{'with' if workers['own_cores'] else 'without'} cores of their own, it were {workers['per_s_times']:.1f} "
            "times as many."
        )
    return "\n".join([*rows, "", told, where(results)])


def fuzz(results: Mapping[str, Any]) -> str:
    refused = sum(results["refused"].values())
    return (
        f"{results['inputs']:,} inputs over {len(results['by_kind'])} readers, {refused:,} refused by a typed error, "
        f"{results['crashes']} crashes, the slowest took {results['slowest_ms']:.0f} ms.\n{where(results)}"
    )


def experts(results: Mapping[str, Any]) -> str:
    rows = [
        "| set | maker | rows | accuracy (95 %) | macro-F1 | with three typos | OOD AUROC | by probability alone "
        "| processor time, trained and tested | p50 of a text, by the processor | on | at commit |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, makers in results["sets"].items():
        for maker, row in makers.items():
            low, high = row["accuracy_interval"]
            rows.append(
                f"| {name} | {maker} | {row['rows']:,} | {row['accuracy']:.3f} ({low:.3f} to {high:.3f}) | "
                f"{row['macro_f1']:.3f} | {row['three_typos']:.3f} | {row['ood_auroc']:.3f} | "
                f"{row['ood_auroc_of_probability']:.3f} | {row.get('processor_seconds', row['seconds']):.0f} s | "
                f"{_text_us(row):,.0f} us | {_maker_of(row['cpu'])} | {row['commit'][:7]} |"
            )
    return "\n".join([*rows, "", where(results)])


def _maker_of(cpu: str) -> str:
    return cpu.replace("(R)", "").removesuffix(" Processor")


def _text_us(row: Mapping[str, Any]) -> float:
    """Microseconds of a text: the set's own ones, or one of 32 tokens for encoders."""
    return float(1000.0 * row["processor_ms_p50"] if "processor_ms_p50" in row else row["processor_us_p50"])


def flywheel_ocats(results: Mapping[str, Any]) -> str:
    rows = [
        "| who | setting | calls | right | right where called | right where not |",
        "|---|---|---|---|---|---|",
        f"| GPT-4 for every request | | 100% | {results['teacher_accuracy']:.2%} | | |",
    ]

    def line(who: str, setting: str, row: Mapping[str, Any]) -> str:
        if "accuracy" not in row:
            return f"| {who} | {setting} | | it refused every order | | |"
        return (
            f"| {who} | {setting} | {row['calls']:.1%} (sd {row['calls_sd']:.1%}) | {row['accuracy']:.2%} "
            f"(sd {row['accuracy_sd']:.2%}) | {row['accuracy_called']:.1%} | {row['accuracy_local']:.1%} |"
        )

    rows += [line("**router**", f"budget {row['budget']:.0%}", row) for row in results.get("router", ())]
    rows += [line(row["name"], f"lambda {row['weight']:g}", row) for row in results.get("peers", ())]
    for row in results.get("tracer", ()):
        if "left_out" not in row:
            rows.append(line(row["name"], f"first {row['warm']:.0%} called, target {row['target']:g}", row))
    told = [f"{results['requests']:,} requests, means over {results['orders']} stream orders (tracer-llm: two)."]
    promise = results.get("promise")
    if promise:
        told.append(
            f"A promise of {promise['keep']:g} agreement at {promise['confidence']:.0%} confidence, over "
            f"{promise['draws']} orders ({promise['learnt']} answers to learn from, {promise['calibrated']} to set the "
            f"threshold): made {promise['promised']} times, broken {promise['broken']} times; "
            f"{promise['coverage']:.0%} answered locally on average, {promise['disagrees']:.1%} of them otherwise than "
            "GPT-4."
        )
    return "\n".join([*rows, "", *told, "", where(results)])


def flywheel_promise(results: Mapping[str, Any]) -> str:
    rows = [
        "| error by probability | who, at which confidence | promised | broken | answered |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {row['shape']} | {row['who']} | {row['promised']:.1%} | {row['broken']:.1%} | {row['coverage']:.1%} |"
        for row in results["shapes"]
    ]
    told = (
        f"{results['limit']:.0%} of error allowed, {results['rows']:,} calibration rows, {results['draws']:,} draws of "
        "each shape. *Broken*: a threshold was promised whose true error is larger; *answered*: the mean share, none "
        "where nothing was promised."
    )
    return "\n".join([*rows, "", told, "", where(results)])


def hate_functions(results: Mapping[str, Any]) -> str:
    low, high = results["accuracy_interval"]
    rows = ["| function | it is | sentences | told right |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {row['label']} | {row['rows']} | {row['accuracy']:.0%} |"
        for name, row in results["functions"].items()
    ]
    by = ", ".join(f"{label} {share:.3f}" for label, share in results["by_label"].items())
    rows.append(f"| **all** | | {results['rows']} | **{results['accuracy']:.3f}** ({low:.3f} to {high:.3f}; {by}) |")
    return "\n".join([*rows, "", where(results)])


def local_answers(results: Mapping[str, Any]) -> str:
    rows = ["| prompts | answered locally | of another task |", "|---|---|---|"]
    kinds = {"wrongly_dev": "data sets, none seen", "wrongly_chat_dev": "as people and applications write"}
    for key, name in kinds.items():
        row = results[key]
        rows.append(f"| {name}, {row['prompts']:,} | {row['local']:,} | {row['of_another_task']:,} |")
    useful = results["usefully"]
    rows += [
        "",
        "| requests | shapes | answered locally | in the asked form | right | right on the bare texts |",
        "|---|---|---|---|---|---|",
        f"| {useful['requests']:,} | {useful['shapes']} | {useful['local']:.1%} | {useful['asked_form']:.1%} | "
        f"{useful['right']:.1%} | {useful['bare_right']:.1%} |",
        "",
        "| shapes | answered locally |",
        "|---|---|",
    ]
    rows += [f"| {group} | {share:.1%} |" for group, share in useful["by_group"].items()]
    return "\n".join([*rows, "", where(results)])


def contract(results: Mapping[str, Any]) -> str:
    rows = [
        "| written requests | plain ones | read right | left to a hosted model | wrong | near misses | wrong |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in results["first"].items():
        rows.append(_contract_row(f"{name}, met for the first time (commit {row['commit']})", row))
    names = {"unseen": "written without sight of the reader, now", "others": "written with it in sight, now"}
    rows += [_contract_row(names[name], row) for name, row in results["now"].items()]
    return "\n".join([*rows, "", where(results)])


def _contract_row(name: str, row: Mapping[str, Any]) -> str:
    clear, near = row["clear"], row["near_miss"]
    plain, missed = sum(clear.values()), sum(near.values())
    return (
        f"| {name} | {plain:,} | {clear['right'] / plain:.0%} | {clear['abstained'] / plain:.0%} | {clear['wrong']} | "
        f"{missed:,} | {near['wrong']} |"
    )


def dispatch_faults(results: Mapping[str, Any]) -> str:
    rows = [
        "| calls that fail | | answered in time (least to most of the rounds) | calls a request | p50 | p95 | p99 |",
        "|---|---|---|---|---|---|---|",
    ]
    for rate, contenders in results["figures"].items():
        for name, row in contenders.items():
            low, high = row["answered_spread"]
            rows.append(
                f"| {rate} | {name} | {row['answered']:.1%} ({low:.1%} to {high:.1%}) | {row['calls']:.2f} | "
                f"{row['p50_ms']:.0f} ms | {row['p95_ms']:.0f} ms | {row['p99_ms']:.0f} ms |"
            )
    note = (
        f"{results['requests']} requests a round, {results['rounds']} rounds, {results['at_once']} at a time, deadline "
        f"{results['deadline_s']:.0f} s; a request that was not answered counts with the deadline. Medians of rounds."
    )
    return "\n".join([*rows, "", note, "", where(results)])


def dispatch_loopback(results: Mapping[str, Any]) -> str:
    rows = ["| | p50 | p90 | p99 |", "|---|---|---|---|"]
    for name, row in results["figures"].items():
        rows.append(f"| {name} | {row['p50_us']:,.0f} us | {row['p90_us']:,.0f} us | {row['p99_us']:,.0f} us |")
    return "\n".join([*rows, "", where(results)])


def dispatch_window(results: Mapping[str, Any]) -> str:
    rows = ["| | added a token | first token |", "|---|---|---|"]
    for name, row in results["figures"].items():
        rows.append(f"| {name} | {row['added_us_a_token']:.0f} us | {row['first_ms']:.1f} ms |")
    return "\n".join([*rows, "", f"{results['tokens']} chunks of four characters, sent at once. {where(results)}"])


def dispatch_conversations(results: Mapping[str, Any]) -> str:
    rows = ["| seed | | cost | input from the cache | moves | requests |", "|---|---|---|---|---|---|"]
    for seed, found in enumerate(results["rounds"]):
        for name, row in found.items():
            rows.append(
                f"| {seed} | {name} | ${row['usd']:.2f} | {row['cached_share']:.1%} | {row['moves']} | "
                f"{row['requests']:,} |"
            )
    return "\n".join([*rows, "", where(results)])


def chaos(results: Mapping[str, Any]) -> str:
    names = list(results["gateways"])
    rows = [f"| guarantee | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    words = {True: "held", False: "**broken**", None: "not tried"}
    for index, row in enumerate(results["gateways"][names[0]]["results"]):
        cells = []
        for name in names:
            found = results["gateways"][name]["results"][index]
            seen = "" if found["held"] else f": {found['seen']}"
            cells.append(words[found["held"]] + seen.replace("|", "/"))
        rows.append(f"| {row['holds']} | {' | '.join(cells)} |")
    totals = []
    for name in names:
        held = [row["held"] for row in results["gateways"][name]["results"]]
        totals.append(f"{held.count(True)} held, {held.count(False)} broken, {held.count(None)} not tried")
    rows.append(f"| **together** | {' | '.join(totals)} |")
    versions = "; ".join(f"{name} {each['version']}" for name, each in results["gateways"].items())
    return "\n".join([*rows, "", f"{versions}. {where(results)}"])


def money_crash(results: Mapping[str, Any]) -> str:
    rows = [
        "| store | reservations | granted | killed | given back after leases | overshoot | leaked | difference |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in results["runs"]:
        counts = ("reservations", "granted", "killed", "given_back_after_leases")
        sums = ("overshoot_nano", "leaked_nano", "difference_nano")
        rows.append(
            f"| {run['store']} | {' | '.join(f'{run[name]:,}' for name in counts)} | "
            f"{' | '.join(f'${run[name] / 1e9:g}' for name in sums)} |"
        )
    return "\n".join([*rows, "", where(results)])


def soak(results: Mapping[str, Any]) -> str:
    ledger, before, after = results["ledger"], results["before"], results["after"]
    held = ("rss_mib", "files", "threads", "tasks", "reserved")
    rows = [
        f"{results['requests']:,} requests in {results['seconds'] / 60:,.1f} minutes, {ledger['calls']:,} calls of the "
        f"provider, {ledger['whole']:,} whole answers, {ledger['input'] + ledger['output']:,} tokens in them.",
        "",
        "| | MiB | files | threads | tasks | reservations |",
        "|---|---|---|---|---|---|",
        f"| before | {' | '.join(f'{before[name]:,.0f}' for name in held)} |",
        f"| after | {' | '.join(f'{after[name]:,.0f}' for name in held)} |",
        "",
        *(f"- {name}: {'yes' if holds else '**no**'}" for name, holds in results["checks"].items()),
    ]
    return "\n".join([*rows, "", where(results)])


def semantic(results: Mapping[str, Any]) -> str:
    rows = [
        ("chosen on", results["chosen_on"]),
        ("kept back", results["kept_back"]),
        ("kept back, vectors alone", results["vectors_alone"]["same_threshold"]),
    ]
    lines = ["| pairs | | other wordings answered | other questions answered wrongly |", "|---|---|---|---|"]
    lines += [
        f"| {row['pairs']} | {name} | {row['hit']:.0%} | {row['false_hits']} of {row['pairs'] // 2} |"
        for name, row in rows
    ]
    return "\n".join([*lines, "", where(results)])


def money(results: Mapping[str, Any]) -> str:
    rows = ["| | p50 | p90 | p99 | at rest, p50 | p99 | overshoot |", "|---|---|---|---|---|---|---|"]
    for row in results["cost"]:
        times = " | ".join(
            f"{row[name]:,.0f} us" for name in ("p50_us", "p90_us", "p99_us", "rest_p50_us", "rest_p99_us")
        )
        rows.append(f"| {row['name']} | {times} | ${row['overshoot_usd']:.2f} |")
    return "\n".join([*rows, "", where(results)])


def flywheel_service(results: Mapping[str, Any]) -> str:
    rows = [
        "| phase | requests | answered here | agreement | $ a 1,000 | its second half: here | agreement | $ a 1,000 | "
        "ends in |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in results["by_phase"]:
        cells = [
            f"{row[f'{part}local']:.0%} | {row[f'{part}agreement']:.1%} | ${row[f'{part}usd_per_1000']:.3f}"
            for part in ("", "late_")
        ]
        count = row["requests"] * results["window"]
        state = row["ends_in"] if row["ends_in"] != "none" else ""
        rows.append(f"| {row['name']} | {count:,} | {cells[0]} | {cells[1]} | {state} |")
    shares = results["shares"]
    told = (
        f"{results['requests']:,} requests; {shares['shadow']:.0%} read in shadow, {shares['audit']:.0%} audited; "
        f"calibrated to {1.0 - results['promise']['max_error']:.0%} agreement, {results['asked_for']:.0%} asked for in "
        f"service. Transitions:"
    )
    moves = [f"{number}. to {made['to']}: {made['why']}" for number, made in enumerate(results["transitions"], start=1)]
    return "\n".join([*rows, "", told, "", *moves, "", where(results)])


def where(results: Mapping[str, Any]) -> str:
    on = results["measured_on"]
    return (
        f"Measured on {on['cpu']} ({on['cores']} cores, load average {on['load_average']}), Python {on['python']}, "
        f"commit {on['commit']}, {on['date']}."
    )


BLOCKS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "decision": decision,
    "startup": startup,
    "understanding": understanding,
    "tasks": tasks,
    "risks": risks,
    "contract": contract,
    "local_answers": local_answers,
    "local_models": local_models,
    "routing": routing,
    "routing_parts": routing_parts,
    "routing_published": routing_published,
    "routing_goals": routing_goals,
    "routing_bounds": routing_bounds,
    "routing_routes": routing_routes,
    "day": day,
    "day_tiers": day_tiers,
    "flywheel_service": flywheel_service,
    "proxy": proxy,
    "fuzz": fuzz,
    "experts": experts,
    "flywheel_ocats": flywheel_ocats,
    "flywheel_promise": flywheel_promise,
    "hate_functions": hate_functions,
    "dispatch_faults": dispatch_faults,
    "dispatch_loopback": dispatch_loopback,
    "dispatch_window": dispatch_window,
    "dispatch_conversations": dispatch_conversations,
    "chaos": chaos,
    "money": money,
    "semantic": semantic,
    "soak": soak,
    "money_crash": money_crash,
}

SOURCE = {
    "tasks": "understanding",
    "routing_goals": "routing",
    "routing_parts": "routing",
    "routing_published": "routing",
    "day_tiers": "day",
}  # blocks whose results stand under another name


def rendered(text: str) -> str:
    """``text`` with every block filled; a block without results says so."""

    def fill(match: re.Match[str]) -> str:
        name = match[2]
        path = RESULTS / f"{SOURCE.get(name, name)}.json"
        body = BLOCKS[name](json.loads(path.read_text(encoding="utf-8"))) if path.exists() else "Not measured yet."
        return f"{match[1]}{body}\n{match[3]}"

    return BLOCK.sub(fill, text)


def main() -> int:
    """Render all documents, or check them."""
    stale = []
    for path in [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        new = rendered(text)
        if new != text:
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    if stale:
        print(f"{'stale' if '--check' in sys.argv else 'rendered'}: {', '.join(stale)}")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
