"""The entrance /api: what an application written for Ollama does."""

import asyncio
import datetime
import math
import os

import ollama
import pytest

ASK = [{"role": "user", "content": "Name three colours."}]


def test_a_whole_chat(client, model):
    answer = client.chat(model=model, messages=ASK, options={"num_predict": 8, "temperature": 0})
    assert answer.model == model
    assert answer.message.role == "assistant" and answer.message.content
    assert answer.message.tool_calls is None and answer.message.thinking is None
    assert answer.done is True and answer.done_reason in ("stop", "length")
    assert answer.prompt_eval_count > 0 and 0 < answer.eval_count <= 8
    assert answer.total_duration >= answer.eval_duration > 0
    datetime.datetime.fromisoformat(answer.created_at.replace("Z", "+00:00"))


def test_a_stream_ends_with_counts_and_only_there(client, model):
    lines = list(client.chat(model=model, messages=ASK, stream=True, options={"num_predict": 8}))
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert "".join(line.message.content for line in lines)
    assert all(line.eval_count is None for line in lines[:-1])
    last = lines[-1]
    assert last.done_reason in ("stop", "length")
    assert last.prompt_eval_count > 0 and 0 < last.eval_count <= 8
    assert last.total_duration >= last.prompt_eval_duration > 0


def test_a_stream_in_an_event_loop(aclient, model):
    async def ask():
        return [line async for line in await aclient.chat(model=model, messages=ASK, stream=True, options={"num_predict": 4})]

    assert asyncio.run(ask())[-1].done


def test_the_tag_latest_is_the_model(client, model):
    answer = client.chat(model=f"{model}:latest", messages=ASK, options={"num_predict": 1})
    assert answer.model == f"{model}:latest"


def test_generate(client, model):
    answer = client.generate(model=model, prompt="Say hello.", system="Be brief.", options={"num_predict": 4})
    assert answer.response and answer.done and answer.eval_count <= 4
    lines = list(client.generate(model=model, prompt="Say hello.", stream=True, options={"num_predict": 4}))
    assert "".join(line.response for line in lines) and lines[-1].done


def test_a_raw_prompt_is_continued(client, model):
    answer = client.generate(model=model, prompt="Once upon a", raw=True, options={"num_predict": 3, "temperature": 0})
    assert answer.response and answer.done_reason == "length"
    assert answer.prompt_eval_count < 10, "no template around it"


def test_loading_and_unloading_say_so(client, model):
    assert client.generate(model=model).done_reason == "load"
    assert client.chat(model=model, messages=[], keep_alive=0).done_reason == "unload"


def test_embeddings(client, embedder):
    made = client.embed(model=embedder, input=["cat", "dog"])
    assert len(made.embeddings) == 2 and made.prompt_eval_count > 0
    assert all(math.isclose(sum(x * x for x in vector), 1, rel_tol=1e-3) for vector in made.embeddings)
    [alone] = client.embed(model=embedder, input="cat").embeddings
    older = client.embeddings(model=embedder, prompt="cat").embedding
    assert list(older) == pytest.approx(list(alone), abs=1e-6)
    assert list(alone) == pytest.approx(list(made.embeddings[0]), abs=1e-3)


def test_embeddings_of_a_far_model(client, far):
    [vector] = client.embed(model=far, input="cat").embeddings
    assert len(vector) == 576


def test_a_schema_holds_the_answer(client, far):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    answer = client.chat(model=far, messages=ASK, format=schema, options={"num_predict": 24, "temperature": 0})
    assert answer.message.content.lstrip().startswith("{")


def test_log_probabilities(client, model):
    answer = client.chat(model=model, messages=ASK, logprobs=True, top_logprobs=2, options={"num_predict": 3})
    assert len(answer.logprobs) == 3
    assert all(one.logprob <= 0 and len(one.top_logprobs) == 2 for one in answer.logprobs)


def test_models_are_listed_and_shown(client, model):
    listed = {one.model: one for one in client.list().models}
    assert model in listed and len(listed[model].digest) == 64
    shown = client.show(model)
    assert "completion" in shown.capabilities
    client.chat(model=model, messages=ASK, options={"num_predict": 1})
    assert all(one.model in listed for one in client.ps().models)


def test_loaded_models_are_told(client, local):
    client.generate(model=local)
    assert local in {one.model for one in client.ps().models}


def status_of(call):
    with pytest.raises(ollama.ResponseError) as refused:
        call()
    assert refused.value.error and not refused.value.error.startswith("{"), refused.value.error
    return refused.value.status_code


def test_refusals_have_ollamas_shape(client, local):
    assert status_of(lambda: client.chat(model="nobody", messages=ASK)) == 404
    assert status_of(lambda: client.show("nobody")) == 404
    assert status_of(lambda: list(client.chat(model="nobody", messages=ASK, stream=True))) == 404
    assert status_of(lambda: client.chat(model=local, messages=ASK, think=True)) == 400
    assert status_of(lambda: client.generate(model=local, prompt="x", template="{{ .Prompt }}")) == 400
    assert status_of(lambda: client.pull("nobody")) == 404
    stranger = ollama.Client(host=os.environ["OLLAMA_HOST"], headers={"authorization": "Bearer km-nobody"})
    assert status_of(lambda: stranger.list()) == 401


def test_tools_are_refused_by_a_model_that_has_none(client, local, far):
    def weather(city: str) -> str:
        """Tell the weather.

        Args:
            city: Where
        """
        return city

    assert status_of(lambda: client.chat(model=local, messages=ASK, tools=[weather])) == 400
    assert status_of(lambda: client.chat(model=far, messages=ASK, tools=[weather])) == 400
