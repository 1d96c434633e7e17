"""Embeddings: base64 as the SDK asks for it, floats, token ids, limits."""

import math

import openai
import pytest


def cosine(left, right):
    norms = math.sqrt(sum(x * x for x in left)) * math.sqrt(sum(x * x for x in right))
    return sum(x * y for x, y in zip(left, right, strict=True)) / norms


def test_base64_and_floats_are_the_same_numbers(client, embedding_model):
    default = client.embeddings.create(model=embedding_model, input="The cat sat.")  # the SDK asks for base64 and decodes it
    floats = client.embeddings.create(model=embedding_model, input="The cat sat.", encoding_format="float")
    assert len(default.data[0].embedding) == 384
    assert default.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-6)
    assert math.isclose(sum(x * x for x in floats.data[0].embedding), 1, abs_tol=1e-3)
    assert default.model == embedding_model
    assert default.usage.prompt_tokens == default.usage.total_tokens > 0


def test_base64_stays_text_when_asked_for(client, embedding_model):
    answer = client.embeddings.create(model=embedding_model, input="The cat sat.", encoding_format="base64")
    assert isinstance(answer.data[0].embedding, str)
    assert len(answer.data[0].embedding) == 2048  # 384 numbers of 4 bytes


def test_the_order_is_kept(client, embedding_model):
    texts = ["a very long sentence about cats " * 12, "dogs", "a sentence of middling length about birds", "dogs"]
    answer = client.embeddings.create(model=embedding_model, input=texts, encoding_format="float")
    assert [item.index for item in answer.data] == [0, 1, 2, 3]
    for text, item in zip(texts, answer.data, strict=True):
        alone = client.embeddings.create(model=embedding_model, input=text, encoding_format="float")
        assert cosine(alone.data[0].embedding, item.embedding) > 0.999


def test_meaning_is_near_across_words_and_languages(client, embedding_model):
    texts = ["How long is the warranty?", "The guarantee lasts three years.", "保修期有多长？", "Bananas are yellow."]
    vectors = [item.embedding for item in client.embeddings.create(model=embedding_model, input=texts).data]
    assert cosine(vectors[0], vectors[2]) > cosine(vectors[0], vectors[3])
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[3])


def test_token_ids_of_cl100k_mean_their_text(client, embedding_model):
    hello = [9906, 1917]  # "Hello world" in cl100k_base, what langchain sends
    tokens = client.embeddings.create(model=embedding_model, input=[hello], encoding_format="float")
    text = client.embeddings.create(model=embedding_model, input="Hello world", encoding_format="float")
    assert cosine(tokens.data[0].embedding, text.data[0].embedding) > 0.9999
    single = client.embeddings.create(model=embedding_model, input=hello, encoding_format="float")
    assert len(single.data) == 1


def test_questions_and_passages_are_embedded_as_such(client, embedding_model):
    def embed(kind):
        answer = client.embeddings.create(model=embedding_model, input="The cat sat.", extra_body={"input_type": kind})
        return answer.data[0].embedding

    assert cosine(embed("query"), embed("passage")) < 0.9999


@pytest.mark.parametrize("wrong", [[], [""] * 2049, [[]], [[10_000_000]]])
def test_wrong_inputs_are_refused_by_name(client, embedding_model, wrong):
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model=embedding_model, input=wrong)
    assert refused.value.param.startswith("input")


def test_dimensions_are_honoured_or_refused(client, embedding_model):
    try:
        answer = client.embeddings.create(model=embedding_model, input="a", dimensions=128)
    except openai.BadRequestError as refused:
        assert refused.param == "dimensions"
    else:
        assert len(answer.data[0].embedding) == 128


def test_a_chat_model_does_not_embed(client, model):
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model=model, input="a")
    assert refused.value.param == "model"
