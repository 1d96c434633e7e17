"""Chat completions: whole, streamed, with choices, limits and log probabilities."""

import math

import openai
import pytest

ASK = [{"role": "user", "content": "Name three colours."}]


def ask(client, model, **options):
    options.setdefault("messages", ASK)
    options.setdefault("max_tokens", 12)
    return client.chat.completions.create(model=model, **options)


def text_of(chunks, index=0):
    return "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == index)


def test_a_whole_answer(client, model):
    answer = ask(client, model, temperature=0)
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == model
    [choice] = answer.choices
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.message.tool_calls is None
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage.prompt_tokens > 0 and 0 < answer.usage.completion_tokens <= 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_limit_ends_with_length(client, model):
    answer = client.chat.completions.create(model=model, messages=ASK, max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3


def test_a_stream_in_the_order_clients_rely_on(client, model, checked):
    chunks = checked(list(ask(client, model, stream=True, temperature=0)))
    first, *middle, last = chunks
    assert first.choices[0].delta.role == "assistant"
    assert first.choices[0].delta.content == ""
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    for chunk in [first, *middle]:
        assert [choice.finish_reason for choice in chunk.choices] == [None]
    assert last.choices[0].finish_reason in ("stop", "length")
    assert last.choices[0].delta.to_dict() == {}
    assert all("usage" not in chunk.to_dict() for chunk in chunks)
    assert text_of(chunks) == ask(client, model, temperature=0).choices[0].message.content


def test_usage_comes_last_and_only_when_asked_for(client, model, checked):
    chunks = checked(list(ask(client, model, stream=True, stream_options={"include_usage": True})))
    *others, last = chunks
    assert last.choices == []
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
    for chunk in others:
        assert "usage" in chunk.to_dict() and chunk.usage is None


def test_two_choices(client, model):
    answer = ask(client, model, n=2, temperature=1.0, seed=7)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.message.content for choice in answer.choices)


def test_two_choices_streamed(client, model, checked):
    chunks = checked(list(ask(client, model, n=2, stream=True)))
    ended = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert sorted(ended) == [0, 1]
    roles = [choice.index for chunk in chunks for choice in chunk.choices if choice.delta.role == "assistant"]
    assert sorted(roles) == [0, 1]
    assert text_of(chunks, 0) and text_of(chunks, 1)


def test_the_same_seed_gives_the_same_answer(client, model):
    texts = {ask(client, model, seed=42, temperature=1.2).choices[0].message.content for _ in range(2)}
    assert len(texts) == 1


def test_a_stop_string_ends_the_answer_and_is_not_in_it(client, model):
    whole = ask(client, model, temperature=0).choices[0].message.content
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    cut = ask(client, model, temperature=0, stop=[stop, "\u0000never"])
    assert cut.choices[0].finish_reason == "stop"
    assert cut.choices[0].message.content == whole[: whole.index(stop)]
    streamed = list(ask(client, model, temperature=0, stop=stop, stream=True))
    assert text_of(streamed) == cut.choices[0].message.content


def test_log_probabilities(client, model):
    answer = ask(client, model, logprobs=True, top_logprobs=3, temperature=0)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) in (answer.usage.completion_tokens, answer.usage.completion_tokens - 1)  # the end token has no text
    for token in tokens:
        assert token.logprob <= 0 and len(token.top_logprobs) == 3
        assert token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob
        assert math.isclose(token.top_logprobs[0].logprob, token.logprob, abs_tol=1e-4)  # temperature 0 takes the likeliest
    joined = b"".join(bytes(token.bytes) for token in tokens).decode()
    assert joined == answer.choices[0].message.content


def test_log_probabilities_streamed(client, model, checked):
    chunks = checked(list(ask(client, model, logprobs=True, top_logprobs=2, stream=True, temperature=0)))
    tokens = [t for chunk in chunks for c in chunk.choices if c.logprobs for t in c.logprobs.content or []]
    assert b"".join(bytes(token.bytes) for token in tokens).decode() == text_of(chunks)


def test_roles_and_content_of_every_shape(client, model):
    messages = [
        {"role": "developer", "content": "Answer briefly."},
        {"role": "system", "content": [{"type": "text", "text": "Use English."}]},
        {"role": "user", "content": [{"type": "text", "text": "Name a colour"}, {"type": "text", "text": "of the sky."}]},
        {"role": "assistant", "content": "Blue."},
        {"role": "user", "content": "Another?"},
    ]
    assert ask(client, model, messages=messages).choices[0].message.content


def test_unknown_fields_are_let_through(client, model):
    assert ask(client, model, extra_body={"keep_alive": "5m", "mirostat": 0}, user="u", metadata={"a": "b"}, store=False)


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("temperature", {"temperature": 3}),
        ("temperature", {"temperature": -1}),
        ("top_p", {"top_p": 1.5}),
        ("n", {"n": 0}),
        ("max_tokens", {"max_tokens": 0}),
        ("presence_penalty", {"presence_penalty": 9}),
        ("frequency_penalty", {"frequency_penalty": -9}),
        ("top_logprobs", {"logprobs": True, "top_logprobs": 21}),
        ("top_logprobs", {"top_logprobs": 2}),
        ("stop", {"stop": ["a", "b", "c", "d", "e"]}),
        ("logit_bias", {"logit_bias": {"50": 101}}),
        ("messages", {"messages": []}),
    ],
)
def test_a_wrong_value_is_refused_by_name(client, model, field, options):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, model, **options)
    assert refused.value.type == "invalid_request_error"
    assert refused.value.param.startswith(field), refused.value.body


def test_a_picture_is_refused_by_a_model_without_eyes(client, model):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    with pytest.raises(openai.BadRequestError):
        ask(client, model, messages=[{"role": "user", "content": [picture]}])


@pytest.mark.parametrize("field", ["tools", "response_format"])
def test_what_the_local_engine_lacks_is_refused_by_name(client, model, field):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    value = {"tools": [tool], "response_format": {"type": "json_object"}}[field]
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, model, **{field: value})
    assert refused.value.param == field


def test_a_prompt_beyond_the_context_is_refused(client, model):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, model, messages=[{"role": "user", "content": "word " * 20_000}])
    assert refused.value.code == "context_length_exceeded"


def test_a_stream_that_is_closed_early_frees_the_model(client, model):
    for _ in range(3):
        with ask(client, model, stream=True, max_tokens=2000) as stream:
            next(iter(stream))
    assert ask(client, model, max_tokens=1).choices


def test_the_streaming_helper(client, model):
    # The helper takes an answer that reached its limit for a failure: a stop string ends this one.
    with client.chat.completions.stream(model=model, messages=ASK, max_tokens=60, temperature=0, stop=[" "]) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content


async def answer_of(aclient, model):
    whole = await ask(aclient, model, temperature=0)
    chunks = [chunk async for chunk in await ask(aclient, model, temperature=0, stream=True)]
    await aclient.close()
    return whole.choices[0].message.content, text_of(chunks)


def test_the_asynchronous_client(aclient, model):
    import anyio

    whole, streamed = anyio.run(answer_of, aclient, model)
    assert whole == streamed
