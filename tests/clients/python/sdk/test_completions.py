"""The legacy text completions."""

import openai
import pytest


def test_a_prompt_is_continued(client, model):
    answer = client.completions.create(model=model, prompt="One, two, three,", max_tokens=6, temperature=0)
    assert answer.id.startswith("cmpl-")
    assert answer.choices[0].text
    assert answer.usage.completion_tokens <= 6


def test_sixteen_tokens_when_no_limit_is_named(client, model):
    answer = client.completions.create(model=model, prompt="Once upon a time", temperature=0)
    assert answer.usage.completion_tokens <= 16


def test_two_prompts_two_choices_each(client, model):
    answer = client.completions.create(model=model, prompt=["One, two,", "Red, green,"], n=2, max_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]


def test_echo_repeats_the_prompt(client, model):
    answer = client.completions.create(model=model, prompt="One, two,", echo=True, max_tokens=3, temperature=0)
    assert answer.choices[0].text.startswith("One, two,")


def test_log_probabilities_in_columns(client, model):
    answer = client.completions.create(model=model, prompt="One, two,", logprobs=2, max_tokens=4, temperature=0)
    columns = answer.choices[0].logprobs
    assert len(columns.tokens) == len(columns.token_logprobs) == len(columns.text_offset) == len(columns.top_logprobs)
    assert "".join(columns.tokens) == answer.choices[0].text
    assert all(value <= 0 for value in columns.token_logprobs)
    assert all(len(row) >= 2 for row in columns.top_logprobs)


def test_a_stream(client, model, checked):
    options = {"model": model, "prompt": "One, two, three,", "max_tokens": 6, "temperature": 0}
    chunks = list(client.completions.create(**options, stream=True, stream_options={"include_usage": True}))
    text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    assert text == client.completions.create(**options).choices[0].text
    assert chunks[-1].usage.completion_tokens <= 6 and chunks[-1].choices == []
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert len(reasons) == 1 and reasons[0] in ("stop", "length")


def test_what_the_model_cannot_fill_is_refused_by_name(client, model):
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model=model, prompt="a", suffix="b")
    assert refused.value.param == "suffix"


def test_the_best_of_fewer_than_wanted_is_refused(client, model):
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model=model, prompt="a", n=3, best_of=2)
    assert refused.value.param == "best_of"
