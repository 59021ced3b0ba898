"""The shapes in which applications ask for a label, each a function of a text and what is asked about it.

Written for this measurement: no request of the training rows is worded like them. A shape gives the body that a client
would send; ``form`` says how the answer must look: ``bare``, a path into JSON, or a path into a tool's arguments.
"""

# ruff: noqa: E501
from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["SHAPES", "Asked", "Shape"]


@dataclass(frozen=True)
class Asked:
    """A text, the labels as the caller spells them, what they are called, and what the text is called."""

    text: str
    labels: Sequence[str]
    noun: str
    thing: str

    @property
    def commas(self) -> str:
        return ", ".join(self.labels)

    @property
    def spoken(self) -> str:
        return ", ".join(self.labels[:-1]) + " or " + self.labels[-1]

    @property
    def quoted(self) -> str:
        return ", ".join(f'"{label}"' for label in self.labels)

    @property
    def bullets(self) -> str:
        return "\n".join(f"- {label}" for label in self.labels)

    @property
    def pipes(self) -> str:
        return " | ".join(self.labels)


@dataclass(frozen=True)
class Shape:
    """``form``: ``bare``, ``json:KEY`` or ``tool:KEY``."""

    name: str
    group: str
    form: str
    make: Callable[[Asked], dict[str, Any]]


def _user(template: str) -> Callable[[Asked], dict[str, Any]]:
    return lambda asked: {"messages": [{"role": "user", "content": _fill(template, asked)}]}


def _system(template: str, user: str = "{text}", role: str = "system") -> Callable[[Asked], dict[str, Any]]:
    return lambda asked: {
        "messages": [
            {"role": role, "content": _fill(template, asked)},
            {"role": "user", "content": _fill(user, asked)},
        ]
    }


def _fill(template: str, asked: Asked) -> str:
    for name in ("commas", "spoken", "quoted", "bullets", "pipes", "noun", "thing"):
        template = template.replace("{" + name + "}", getattr(asked, name))
    return template.replace("{Thing}", asked.thing.capitalize()).replace("{text}", asked.text)


def _schema(asked: Asked, key: str, *, via: str = "enum") -> dict[str, Any]:
    labels = list(asked.labels)
    field: dict[str, Any] = {"type": "string", "enum": labels}
    extra: dict[str, Any] = {}
    if via == "ref":
        extra, field = {"$defs": {"Label": field}}, {"$ref": "#/$defs/Label"}
    elif via == "const":
        field = {"anyOf": [{"const": label} for label in labels]}
    return {"type": "object", "properties": {key: field}, "required": [key], "additionalProperties": False, **extra}


def _with_schema(
    make: Callable[[Asked], dict[str, Any]], key: str, via: str = "enum"
) -> Callable[[Asked], dict[str, Any]]:
    return lambda asked: {
        **make(asked),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "result", "strict": True, "schema": _schema(asked, key, via=via)},
        },
    }


def _with_tool(
    make: Callable[[Asked], dict[str, Any]], key: str, choice: Any, description: str = ""
) -> Callable[[Asked], dict[str, Any]]:
    function = {"name": "save_label", "description": description}
    return lambda asked: {
        **make(asked),
        "tools": [{"type": "function", "function": {**function, "parameters": _schema(asked, key)}}],
        "tool_choice": choice,
    }


def _turns(asked: Asked, *, template: str = "{text}", system: str) -> dict[str, Any]:
    first, second = asked.labels[0], asked.labels[1]
    shown = (("the first sample of this kind", first), ("another sample, of the other kind", second))
    messages = [{"role": "system", "content": _fill(system, asked)}]
    for text, label in shown:
        messages.append({"role": "user", "content": template.replace("{text}", text)})
        messages.append({"role": "assistant", "content": label})
    messages.append({"role": "user", "content": template.replace("{text}", asked.text)})
    return {"messages": messages}


def _parts(asked: Asked) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": f"Assign the {asked.noun}: {asked.spoken}."}]},
            {"role": "user", "content": [{"type": "text", "text": asked.text}]},
        ]
    }


def _shots(asked: Asked) -> str:
    return (
        f"Give the {asked.noun}. Allowed: {asked.commas}\n\nInput: one sample of it\nOutput: {asked.labels[0]}\n\n"
        f"Input: a second sample\nOutput: {asked.labels[1]}\n\nInput: {asked.text}\nOutput:"
    )


_NAMED = {"type": "function", "function": {"name": "save_label"}}
_BY_NAME: Mapping[str, tuple[str, str, Callable[[Asked], dict[str, Any]]]] = {
    # One user message.
    "one of, marker": ("bare", "bare", _user("Which {noun} has this {thing}? Reply with one of: {commas}\n\n{Thing}: {text}")),
    "choose, triple quotes": ("bare", "bare", _user('Choose the right {noun} ({commas}) for the {thing} below. Only output the label.\n\n"""\n{text}\n"""')),
    "backticks": ("bare", "bare", _user("Possible labels: {commas}\nName the label of the {thing} in backticks and nothing else.\n\n```\n{text}\n```")),
    "after the text": ("bare", "bare", _user("{text}\n\nWhat is the {noun} of this {thing}? Answer with exactly one of these: {commas}.")),
    "quoted after the text": ("bare", "bare", _user('"{text}"\n\nLabel this {thing} as {spoken}. Just the label, please.')),
    "bullets before": ("bare", "bare", _user("Pick the best {noun} for the {thing}.\n\nOptions:\n{bullets}\n\n{Thing}:\n{text}\n\nAnswer:")),
    "bullets after": ("bare", "bare", _user("{Thing}: {text}\n\nWhich of these labels fits best?\n{bullets}\n\nReply with the label only.")),
    "python list": ("bare", "bare", _user("labels = [{quoted}]\nReturn exactly one of the labels for the following {thing}.\n\nText: {text}")),
    "rule below": ("bare", "bare", _user("Label the {thing} between the lines. Labels: {commas}.\n---\n{text}\n---")),
    "colon line": ("bare", "bare", _user("Decide on one {noun} ({commas}) for this {thing}: {text}")),
    "cue with labels": ("bare", "bare", _user("Text: {text}\n{noun} ({commas}):")),
    "please do": ("bare", "bare", _user("Please help me to label a {thing}. The only valid answers are {quoted}.\n\nHere is the {thing}:\n{text}")),
    "must be": ("bare", "bare", _user("Determine the {noun} of the {thing}. Your answer must be one of {quoted}. No explanation.\n\nInput: {text}")),
    "numbered, name asked": ("bare", "bare", lambda a: {"messages": [{"role": "user", "content": f"Candidates for the {a.noun}:\n" + "\n".join(f"{i}. {label}" for i, label in enumerate(a.labels, 1)) + f"\n\n{a.thing.capitalize()}: {a.text}\n\nReply with the name of the best candidate only."}]}),
    # Markdown and XML.
    "headings": ("markup", "bare", _user("## Task\nAssign one label to the {thing}.\n\n## Labels\n{bullets}\n\n## Text\n{text}\n\n## Label\n")),
    "bold sections": ("markup", "bare", _user("**Task:** choose the {noun} of the text.\n**Labels:** {commas}\n**Text:** {text}\n**Label:**")),
    "instruction headings": ("markup", "bare", _user("### Instruction:\nDetermine the {noun} of the input. Respond with {spoken}.\n\n### Input:\n{text}\n\n### Response:")),
    "text tag": ("markup", "bare", _user("Choose one label ({commas}) for the text in the tags. Answer with the label alone.\n<text>\n{text}\n</text>")),
    "thing tag": ("markup", "bare", _user("<{thing}>{text}</{thing}>\n\nWhat is the {noun}? Answer with one of: {commas}.")),
    "instruction and data tags": ("markup", "bare", _user("<instructions>\nClassify the input. Use exactly one of the labels.\n</instructions>\n<labels>\n{bullets}\n</labels>\n<input>\n{text}\n</input>")),
    "label elements": ("markup", "bare", lambda a: {"messages": [{"role": "user", "content": "<labels>" + "".join(f"<label>{label}</label>" for label in a.labels) + f"</labels>\n<text>{a.text}</text>\nReturn the fitting label and nothing else."}]}),
    "label attributes": ("markup", "bare", lambda a: {"messages": [{"role": "system", "content": "<options>" + "".join(f'<option value="{label}"/>' for label in a.labels) + "</options>\nReply with the value of the option that fits the message."}, {"role": "user", "content": a.text}]}),
    # System and user.
    "system commas": ("system", "bare", _system("You assign a {noun} to every {thing} you are given. Labels: {commas}. Reply with the label only.")),
    "system bullets": ("system", "bare", _system("Classify the {thing}. Use one of these labels:\n{bullets}\n\nDo not write anything else.")),
    "system spoken": ("system", "bare", _system("The user sends a {thing}. Answer with {spoken}.")),
    "system quoted": ("system", "bare", _system("You are a precise annotator. Respond with one of {quoted} and no other text.")),
    "system pipes": ("system", "bare", _system("Output format: {pipes}\nOutput one value. No punctuation, no explanation.")),
    "developer": ("system", "bare", _system("Return the {noun} of the message. Allowed values: {commas}", role="developer")),
    "system, marker": ("system", "bare", _system("Label the {noun} as {spoken}.", "{Thing}: {text}")),
    "system, tag": ("system", "bare", _system("Label the {thing} inside the tags. Labels: {commas}.", "<{thing}>{text}</{thing}>")),
    "system, fence": ("system", "bare", _system("Pick a label for the {thing}: {commas}. Only the label.", "```\n{text}\n```")),
    "system, quotes": ("system", "bare", _system("Available labels: {commas}. Answer with a single label.", '"{text}"')),
    "system, cue": ("system", "bare", _system("Labels: {commas}. Write one label behind the cue.", "Text: {text}\nLabel:")),
    "system role, user asks": ("system", "bare", _system("You are a careful assistant.", "Label this {thing} with one of: {commas}. Say nothing else.\n\n{Thing}: {text}")),
    "system, polite user": ("system", "bare", _system("You classify texts into {commas}. Always answer with one label.", "Please classify this {thing}:\n\n{text}")),
    "two user messages": ("system", "bare", lambda a: {"messages": [{"role": "user", "content": f"The next message is a {a.thing}. Reply with its {a.noun}: {a.spoken}. One label only."}, {"role": "user", "content": a.text}]}),
    "trailing reminder": ("system", "bare", lambda a: {"messages": [{"role": "system", "content": f"Classify the {a.thing} into {a.spoken}."}, {"role": "user", "content": a.text}, {"role": "system", "content": "Remember: only the label, nothing else."}]}),
    "content parts": ("system", "bare", _parts),
    "json hint of labels": ("system", "bare", lambda a: {"messages": [{"role": "user", "content": a.text}], "router": {"labels": list(a.labels), "input": a.text}}),
    # JSON.
    "schema, system": ("json", "json:label", _with_schema(_system("Classify the {thing}."), "label")),
    "schema, bare user": ("json", "json:category", _with_schema(_user("{text}"), "category")),
    "schema, marker": ("json", "json:result", _with_schema(_user("Classify the following {thing}.\n\n{Thing}: {text}"), "result")),
    "schema behind a reference": ("json", "json:label", _with_schema(_system("Determine the {noun} of the {thing}."), "label", "ref")),
    "schema of constants": ("json", "json:value", _with_schema(_system("What is the {noun}?"), "value", "const")),
    "schema and the same list": ("json", "json:label", _with_schema(_system("Label the {thing}: {commas}."), "label")),
    "json key in words": ("json", "json:label", _system('Reply with a JSON object that has the key "label". Its value is one of: {commas}.')),
    "json template": ("json", "json:class", _user('Give the {noun} of the {thing} as JSON like {"class": "..."} with one of {quoted}.\n\n{Thing}: {text}')),
    "json union": ("json", "json:tag", lambda a: {"messages": [{"role": "system", "content": 'Answer as JSON: {"tag": ' + " | ".join(json.dumps(label) for label in a.labels) + "}"}, {"role": "user", "content": a.text}]}),
    "json object mode": ("json", "json:label", lambda a: {**_system('Return JSON with a single key "label" that holds {spoken}.')(a), "response_format": {"type": "json_object"}}),
    "typescript": ("json", "json:answer", lambda a: {"messages": [{"role": "system", "content": "Respond with JSON of this type and nothing else:\ntype Result = { answer: " + " | ".join(f"'{label}'" for label in a.labels) + " }"}, {"role": "user", "content": a.text}]}),
    # Tools.
    "tool, named": ("tool", "tool:label", _with_tool(_system("Classify the {thing}."), "label", _NAMED)),
    "tool, required": ("tool", "tool:category", _with_tool(_user("Classify the following {thing}: <text>{text}</text>"), "category", "required")),
    "tool, described": ("tool", "tool:label", _with_tool(_system("Use the tool to record the label of the text."), "label", "required", "Records the label of a text.")),
    "tool, passage": ("tool", "tool:label", _with_tool(_user("Extract the desired information from the following passage.\n\nPassage:\n{text}"), "label", _NAMED)),
    # Few-shot.
    "turns": ("few-shot", "bare", lambda a: _turns(a, system="Label each {thing} with one of: {commas}.")),
    "turns with marker": ("few-shot", "bare", lambda a: _turns(a, template="Text: {text}", system="Labels: {commas}. Answer with the label.")),
    "shots in one message": ("few-shot", "bare", lambda a: {"messages": [{"role": "user", "content": _shots(a)}]}),
    "shots in the system": ("few-shot", "bare", lambda a: {"messages": [{"role": "system", "content": f"Pick the {a.noun} of the message from: {a.commas}.\n\nExamples:\nMessage: a sample of the first\nLabel: {a.labels[0]}\nMessage: a sample of the second\nLabel: {a.labels[1]}"}, {"role": "user", "content": a.text}]}),
    # Other languages.
    "german system": ("languages", "bare", _system("Weise der Nachricht genau eines dieser Labels zu: {commas}. Antworte nur mit dem Label.")),
    "german user": ("languages", "bare", _user("Welches Label passt zum folgenden Text? Wähle aus: {commas}\n\nText: {text}\n\nGib nur das Label aus.")),
    "french system": ("languages", "bare", _system("Attribue à chaque message une seule de ces étiquettes : {commas}. Réponds uniquement avec l'étiquette.")),
    "spanish user": ("languages", "bare", _user("Asigna al mensaje una de estas etiquetas: {commas}. Responde solo con la etiqueta.\n\nMensaje: {text}")),
    "portuguese system": ("languages", "bare", _system("Escolha um rótulo para a mensagem do usuário: {commas}. Responda apenas com o rótulo.")),
    "italian user": ("languages", "bare", _user("Scegli un'etichetta per il testo tra: {commas}.\n\nTesto: {text}\n\nRispondi solo con l'etichetta.")),
    "dutch system": ("languages", "bare", _system("Kies één van de volgende labels voor het bericht: {commas}. Antwoord alleen met het label.")),
    "chinese system": ("languages", "bare", _system("请为用户的消息选择一个标签。可选标签：{commas}。只输出标签。".replace("{commas}", "{commas}"))),
    "japanese user": ("languages", "bare", _user("次のテキストに最も合うラベルを選んでください。ラベル：{commas}\n\nテキスト：{text}\n\nラベルのみを出力してください。")),
}  # fmt: skip

SHAPES: tuple[Shape, ...] = tuple(Shape(name, group, form, make) for name, (group, form, make) in _BY_NAME.items())
