"""instructor: structured answers by tools and by JSON schema, streamed as well."""

import os
from typing import Literal

import instructor
from openai import OpenAI
from pydantic import BaseModel


class Review(BaseModel):
    label: Literal["positive", "negative"]


class Person(BaseModel):
    name: str
    age: int


REVIEW = [
    {"role": "system", "content": "You label customer reviews. Answer with one word: positive or negative."},
    {"role": "user", "content": "I loved every minute of it. What a wonderful film!"},
]
PERSON = [{"role": "user", "content": "Extract from this text who is meant: Ada was 36 years old when she died."}]

base = OpenAI(base_url=f"{os.environ['ROUTER_ADDRESS']}/v1", api_key="unused", max_retries=0)
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(base, mode=mode)
    review = client.chat.completions.create(model="auto", messages=REVIEW, response_model=Review, max_retries=0)
    assert review.label == "positive", (mode, review)
    person = client.chat.completions.create(model="auto", messages=PERSON, response_model=Person, max_retries=0)
    assert person.age == 36, (mode, person)
    *_, last = client.chat.completions.create_partial(
        model="auto", messages=PERSON, response_model=Person, max_retries=0
    )
    assert last.age == 36, (mode, last)
print("well")
