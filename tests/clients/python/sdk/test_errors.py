"""Errors become the SDK's exception classes, with everything one needs to act on them."""

import os

import openai
import pytest


def test_a_wrong_key(client):
    stranger = client.with_options(api_key="km-wrong")
    with pytest.raises(openai.AuthenticationError) as refused:
        stranger.models.list()
    assert refused.value.status_code == 401
    assert refused.value.code == "invalid_api_key"
    assert refused.value.request_id


def test_no_key_at_all(client):
    with pytest.raises(openai.AuthenticationError):
        client.get("/models", cast_to=object, options={"headers": {"Authorization": openai.Omit()}})


def test_a_key_without_the_scope(client, model):
    limited = client.with_options(api_key=os.environ["KUBEMATE_CHAT_ONLY_KEY"])
    answer = limited.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], max_tokens=1)
    assert answer.choices
    for forbidden in (limited.files.list, limited.vector_stores.list):
        with pytest.raises(openai.PermissionDeniedError) as refused:
            forbidden()
        assert refused.value.status_code == 403


def test_an_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="gpt-nothing", messages=[{"role": "user", "content": "Hi"}])
    assert refused.value.code == "model_not_found"
    assert refused.value.param == "model"


def test_an_unknown_path(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.get("/nothing/here", cast_to=object)
    assert refused.value.body["message"]


def test_a_wrong_method(client):
    with pytest.raises(openai.APIStatusError) as refused:
        client.delete("/models", cast_to=object)
    assert refused.value.status_code == 405


@pytest.mark.parametrize("body", [{}, {"model": "m"}, {"model": 7, "messages": []}, {"model": "m", "messages": "hi"}])
def test_a_body_of_the_wrong_shape(client, body):
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/chat/completions", body=body, cast_to=object)
    assert refused.value.type == "invalid_request_error"


def test_a_body_that_is_no_json(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/chat/completions", content=b"{nonsense", options={"headers": {"content-type": "application/json"}}, cast_to=object)
    assert refused.value.body["message"]


def test_a_stream_that_cannot_start_is_a_plain_error(client):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-nothing", messages=[{"role": "user", "content": "Hi"}], stream=True)


def test_every_answer_carries_an_id_and_its_time(client):
    answer = client.models.with_raw_response.list(extra_headers={"x-request-id": "mine_1-2"})
    assert answer.headers["x-request-id"] == "mine_1-2"
    assert int(answer.headers["openai-processing-ms"]) >= 0
    odd = client.models.with_raw_response.list(extra_headers={"x-request-id": "not mine!"})
    assert odd.headers["x-request-id"] != "not mine!"


def test_a_refusal_is_not_tried_again(client):
    seen = []
    http = openai.DefaultHttpxClient(event_hooks={"request": [lambda request: seen.append(request)]})
    patient = client.with_options(http_client=http, max_retries=2)
    with pytest.raises(openai.NotFoundError):
        patient.models.retrieve("gpt-nothing")
    assert len(seen) == 1


def test_a_model_of_another_kind(client, embedding_model):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=embedding_model, messages=[{"role": "user", "content": "Hi"}])
    assert refused.value.param == "model"
