"""Rerank, which the SDK does not know: called as Jina's and Cohere's clients call it."""

import os

import openai
import pytest

MODEL = os.environ["KUBEMATE_RERANK_MODEL"]
DOCUMENTS = ["Bananas are yellow.", {"text": "The guarantee lasts three years."}, "Cats sleep a lot."]


def rerank(client, **options):
    body = {"model": MODEL, "query": "How long is the warranty?", "documents": DOCUMENTS, **options}
    return client.post("/rerank", body=body, cast_to=object)


def test_the_best_comes_first(client):
    answer = rerank(client)
    assert [result["index"] for result in answer["results"]][0] == 1
    scores = [result["relevance_score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True) and len(scores) == 3
    assert answer["usage"]["total_tokens"] > 0


def test_only_the_best_with_their_text(client):
    answer = rerank(client, top_n=1, return_documents=True)
    [best] = answer["results"]
    assert best["document"]["text"] == "The guarantee lasts three years."


@pytest.mark.parametrize(("field", "value"), [("documents", []), ("top_n", 0), ("query", "")])
def test_wrong_values_are_refused_by_name(client, field, value):
    with pytest.raises(openai.BadRequestError) as refused:
        rerank(client, **{field: value})
    assert refused.value.param == field
