"""Chat, completions and vectors of a model that a real Ollama server runs."""

import json
import math

import openai
import pytest

ASK = [{"role": "user", "content": "Name three colours."}]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def ask(client, model, **options):
    options.setdefault("messages", ASK)
    options.setdefault("max_tokens", 8)
    options.setdefault("temperature", 0)
    return client.chat.completions.create(model=model, **options)


def text_of(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_a_whole_answer(client, model):
    answer = ask(client, model)
    [choice] = answer.choices
    assert answer.model == model and choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in ("stop", "length") and choice.message.tool_calls is None
    assert answer.usage.prompt_tokens > 0 and 0 < answer.usage.completion_tokens <= 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_in_the_order_clients_rely_on(client, model, checked):
    chunks = checked(list(ask(client, model, stream=True)))
    assert (chunks[0].choices[0].delta.role, chunks[0].choices[0].delta.content) == ("assistant", "")
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert all(choice.finish_reason is None for chunk in chunks[:-1] for choice in chunk.choices)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert all("usage" not in chunk.to_dict() for chunk in chunks)
    assert text_of(chunks) == ask(client, model).choices[0].message.content


def test_usage_comes_last_and_only_when_asked_for(client, model, checked):
    *others, last = checked(list(ask(client, model, stream=True, stream_options={"include_usage": True})))
    assert last.choices == [] and last.usage.completion_tokens <= 8
    assert all("usage" in chunk.to_dict() and chunk.usage is None for chunk in others)


def test_a_limit_and_a_stop_are_the_servers(client, model):
    cut = ask(client, model, max_completion_tokens=3, max_tokens=openai.omit)
    assert cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 3
    whole = ask(client, model).choices[0].message.content
    stop = whole[2:4]
    assert ask(client, model, stop=[stop]).choices[0].message.content == whole[: whole.index(stop)]


def test_the_same_seed_gives_the_same_answer(client, model):
    assert len({ask(client, model, seed=5, temperature=1.2).choices[0].message.content for _ in range(2)}) == 1


def test_a_schema_holds_the_answer(client, model):
    schema = {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"], "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "sureness", "schema": schema, "strict": True}}
    answer = ask(client, model, response_format=wanted, max_tokens=40)
    assert answer.choices[0].finish_reason == "stop"
    assert list(json.loads(answer.choices[0].message.content)) == ["sure"]
    streamed = text_of(ask(client, model, response_format=wanted, max_tokens=40, stream=True))
    assert isinstance(json.loads(streamed)["sure"], bool)


def test_any_json_can_be_asked_for(client, model):
    answer = ask(client, model, response_format={"type": "json_object"}, max_tokens=16)
    assert answer.choices[0].message.content.lstrip().startswith(("{", "["))


def test_log_probabilities(client, model):
    [choice] = ask(client, model, logprobs=True, top_logprobs=2, max_tokens=3).choices
    assert choice.logprobs.content
    assert all(one.logprob <= 0 and len(one.top_logprobs) == 2 for one in choice.logprobs.content)


def test_a_completion(client, model):
    answer = client.completions.create(model=model, prompt="Once upon a", max_tokens=3, temperature=0)
    assert answer.choices[0].text and answer.choices[0].finish_reason == "length"
    streamed = client.completions.create(model=model, prompt="Once upon a", max_tokens=3, temperature=0, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed if chunk.choices) == answer.choices[0].text


def test_vectors_as_the_client_asks_for_them(client, model):
    """The client asks for base64 unless told otherwise; Ollama knows numbers only."""
    made = client.embeddings.create(model=model, input=["cat", "dog"])
    plain = client.embeddings.create(model=model, input=["cat", "dog"], encoding_format="float")
    assert [one.index for one in made.data] == [0, 1] and made.usage.prompt_tokens > 0
    for base64, floats in zip(made.data, plain.data, strict=True):
        assert len(base64.embedding) == 576
        assert all(math.isclose(a, b, abs_tol=1e-5) for a, b in zip(base64.embedding, floats.embedding, strict=True))


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("n", {"n": 2}),
        ("logit_bias", {"logit_bias": {"1": 1}}),
        ("tool_choice", {"tools": [TOOL], "tool_choice": "required"}),
        ("tools", {"tools": [TOOL]}),
    ],
)
def test_what_the_server_lacks_is_refused(client, model, field, options):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, model, **options)
    assert field in str(refused.value)


def test_a_picture_is_handed_on_in_the_servers_own_form(client, model):
    """Ollama itself leaves pictures out for a model without eyes; what counts is that it takes the request."""
    dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{dot}"}}
    assert ask(client, model, messages=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}]).choices


def test_a_stream_that_is_closed_early_frees_the_model(client, model):
    for _ in range(3):
        with ask(client, model, stream=True, max_tokens=900) as stream:
            next(iter(stream))
    assert ask(client, model, max_tokens=1).choices
