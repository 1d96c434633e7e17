"""What langchain users do with Kubemate beyond the standard suite."""

import math

import pytest
from conftest import CHAT_MODEL, CONNECTION, EMBEDDING_MODEL
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


def cosine(left, right):
    norms = math.sqrt(sum(x * x for x in left)) * math.sqrt(sum(x * x for x in right))
    return sum(x * y for x, y in zip(left, right, strict=True)) / norms


@pytest.fixture
def library():
    """A vector store with one text, through the client that langchain itself uses."""
    import openai

    client = openai.OpenAI(**CONNECTION)
    store = client.vector_stores.create(name="chain")
    text = "The guarantee of the lamp lasts three years.\n\nThe lamp weighs two kilograms.\n".encode()
    client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("lamp.txt", text))
    yield store.id
    client.vector_stores.delete(store.id)


def test_token_ids_and_text_give_the_same_vectors():
    text = "How long is the warranty? 保修期有多长？"
    as_tokens = OpenAIEmbeddings(**CONNECTION, model=EMBEDDING_MODEL, check_embedding_ctx_length=True)
    as_text = OpenAIEmbeddings(**CONNECTION, model=EMBEDDING_MODEL, check_embedding_ctx_length=False)
    assert cosine(as_tokens.embed_query(text), as_text.embed_query(text)) > 0.9999


def test_citations_arrive_with_a_chat_answer(library):
    chat = ChatOpenAI(**CONNECTION, model=CHAT_MODEL, max_tokens=60, temperature=0, extra_body={"vector_store_ids": [library]})
    answer = chat.invoke("How long does the guarantee of the lamp last?")
    assert answer.content
    raw = answer.additional_kwargs.get("annotations") or answer.response_metadata.get("annotations")
    if raw is not None:  # langchain keeps unknown annotations only in some versions; it must not stumble over them
        assert raw[0]["type"] == "file_citation"


def test_a_cited_answer_streams(library):
    chat = ChatOpenAI(**CONNECTION, model=CHAT_MODEL, max_tokens=60, temperature=0, extra_body={"vector_store_ids": [library]})
    question = "How long does the guarantee of the lamp last?"
    streamed = "".join(chunk.content for chunk in chat.stream(question))
    assert streamed == chat.invoke(question).content


def test_file_search_through_responses(library):
    chat = ChatOpenAI(**CONNECTION, model=CHAT_MODEL, max_tokens=60, temperature=0, use_responses_api=True)
    tool = {"type": "file_search", "vector_store_ids": [library]}
    answer = chat.bind_tools([tool]).invoke("How long does the guarantee of the lamp last?")
    [part] = [part for part in answer.content if part["type"] == "text"]
    assert part["text"]
    assert part["annotations"][0]["filename"] == "lamp.txt" or part["annotations"][0].get("title") == "lamp.txt", part


def test_file_search_through_responses_streams(library):
    chat = ChatOpenAI(**CONNECTION, model=CHAT_MODEL, max_tokens=60, temperature=0, use_responses_api=True)
    tool = {"type": "file_search", "vector_store_ids": [library]}
    chunks = list(chat.bind_tools([tool]).stream("How long does the guarantee of the lamp last?"))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.text
    assert [note for part in whole.content for note in part.get("annotations", [])]


def test_an_unknown_model_is_an_error_of_openai():
    import openai

    with pytest.raises(openai.NotFoundError):
        ChatOpenAI(**CONNECTION, model="gpt-nothing").invoke("Hi")
