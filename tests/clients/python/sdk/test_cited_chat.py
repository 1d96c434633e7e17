"""Retrieval in chat: `vector_store_ids`, and citations that can be looked up."""

import pytest


def ask(client, model, question, **extra):
    return {"model": model, "messages": [{"role": "user", "content": question}], "max_tokens": 80, "temperature": 0, "extra_body": extra}


def plain(note):
    """As it was sent: the SDK adds the fields of the annotation types that it knows, as None."""
    note = note if isinstance(note, dict) else note.to_dict()
    return {key: value for key, value in note.items() if value is not None}


def check_citations(client, stored_text, library, notes, answer, fact):
    store, files = library
    assert notes, f"no citation in {answer!r}"
    for note in notes:
        assert note["type"] == "file_citation"
        assert note["file_id"] in files.values()
        assert note["filename"] in files
        assert 0 < note["index"] <= len(answer)
        text = stored_text(store, note["file_id"])
        assert text[note["start"] : note["end"]] == note["quote"]
    if fact["page"]:
        assert fact["page"] in [note["page"] for note in notes if note["filename"] == fact["file"]], notes


@pytest.mark.parametrize("number", range(3))
def test_an_answer_cites_what_it_was_given(client, model, library, stored_text, facts, number):
    fact = facts[number]
    answer = client.chat.completions.create(**ask(client, model, fact["question"], vector_store_ids=[library[0]]))
    message = answer.choices[0].message
    notes = [plain(note) for note in message.annotations or []]
    check_citations(client, stored_text, library, notes, message.content, fact)


def test_a_streamed_answer_cites_the_same(client, model, library, stored_text, facts, checked):
    fact = facts[0]
    options = ask(client, model, fact["question"], vector_store_ids=[library[0]])
    chunks = checked(list(client.chat.completions.create(**options, stream=True)))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    notes = [note for chunk in chunks for choice in chunk.choices for note in choice.delta.to_dict().get("annotations", [])]
    check_citations(client, stored_text, library, notes, text, fact)
    whole = client.chat.completions.create(**options).choices[0].message
    assert text == whole.content
    assert notes == [plain(note) for note in whole.annotations]


def test_the_streaming_helper_keeps_every_citation(client, model, library, facts):
    options = ask(client, model, facts[0]["question"], vector_store_ids=[library[0]])
    with client.chat.completions.stream(**options) as stream:
        for _ in stream:
            pass
        streamed = stream.current_completion_snapshot.choices[0].message
    whole = client.chat.completions.create(**options).choices[0].message
    assert streamed.content == whole.content
    assert [plain(note) for note in streamed.annotations] == [plain(note) for note in whole.annotations]


def test_a_question_that_nothing_answers_is_told_so(client, model, library):
    options = ask(client, model, "What is the melting point of tungsten?", vector_store_ids=[library[0]], ranking_options={"score_threshold": 1.0})
    message = client.chat.completions.create(**options).choices[0].message
    assert message.content
    assert not message.annotations


def test_a_strange_store_is_not_found(client, model):
    import openai

    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**ask(client, model, "What?", vector_store_ids=["vs_doesnotexist"]))
