"""Responses with file search: whole, streamed, continued, stored."""

import openai
import pytest

RESULTS = ["file_search_call.results"]


def ask(client, model, question, store=None, **options):
    if store:
        options["tools"] = [{"type": "file_search", "vector_store_ids": [store], "max_num_results": 4}]
    options.setdefault("max_output_tokens", 60)
    return client.responses.create(model=model, input=question, temperature=0, **options)


def parts(response):
    messages = [item for item in response.output if item.type == "message"]
    return [part for message in messages for part in message.content]


def test_a_plain_answer(client, model):
    response = ask(client, model, "Name three colours.", instructions="Be brief.", metadata={"a": "b"})
    assert response.id.startswith("resp_")
    assert response.status in ("completed", "incomplete")
    assert response.output_text
    assert (response.metadata, response.instructions) == ({"a": "b"}, "Be brief.")
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_an_answer_from_files(client, model, library, facts, stored_text):
    store, files = library
    for fact in facts[:3]:
        response = ask(client, model, fact["question"], store, include=RESULTS)
        call = response.output[0]
        assert (call.type, call.status) == ("file_search_call", "completed")
        assert fact["question"] in call.queries
        assert any(fact["needle"] in result.text.replace("\n", " ") for result in call.results)
        [part] = parts(response)
        assert part.annotations, response.output_text
        for note in part.annotations:
            assert note.type == "file_citation"
            assert note.file_id in files.values()
            assert 0 < note.index <= len(part.text)
            assert stored_text(store, note.file_id)[note.start : note.end] == note.quote


def test_results_are_left_out_unless_asked_for(client, model, library, facts):
    response = ask(client, model, facts[0]["question"], library[0])
    assert response.output[0].results is None


def shape_of(events):
    """The event names with repeats folded."""
    names = [event.type.removeprefix("response.") for event in events]
    return [name for name, before in zip(names, [None, *names], strict=False) if name != before]


def test_a_stream_in_the_published_order(client, model, library, facts, checked, stored_text):
    store, _ = library
    events = checked(list(ask(client, model, facts[0]["question"], store, stream=True)))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    shape = [name for name in shape_of(events) if name not in ("output_text.delta", "output_text.annotation.added")]
    assert shape[:-1] == [
        "created",
        "in_progress",
        "output_item.added",
        "file_search_call.in_progress",
        "file_search_call.searching",
        "file_search_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
    ]
    assert shape[-1] in ("completed", "incomplete")
    final = events[-1].response
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    notes = [event.annotation for event in events if event.type == "response.output_text.annotation.added"]
    assert text == final.output_text
    [part] = parts(final)
    as_dict = [note if isinstance(note, dict) else note.to_dict() for note in notes]
    assert as_dict == [note.to_dict() for note in part.annotations] != []
    for note in as_dict:
        assert stored_text(store, note["file_id"])[note["start"] : note["end"]] == note["quote"]
    assert final.usage.output_tokens > 0
    assert events[0].response.status == "in_progress"


def test_the_streaming_helper(client, model, library, facts):
    # The helper wants `response.completed`; a question in Chinese is answered by a quote alone, whatever the limit.
    tools = [{"type": "file_search", "vector_store_ids": [library[0]]}]
    with client.responses.stream(model=model, input=facts[3]["question"], tools=tools) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert final.output_text and parts(final)[0].annotations


def test_the_limit_makes_it_incomplete(client, model):
    response = client.responses.create(model=model, input="Tell a long story of the sea.", max_output_tokens=16, temperature=0)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage.output_tokens == 16


def test_a_response_is_kept_continued_and_deleted(client, model):
    first = ask(client, model, "My name is Zebulon.")
    again = client.responses.retrieve(first.id)
    assert again.output_text == first.output_text
    items = client.responses.input_items.list(first.id)
    assert items.data[0].content[0].text == "My name is Zebulon."
    second = ask(client, model, "What is my name?", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens
    said = [item.content[0].text for item in client.responses.input_items.list(second.id, order="asc", limit=1)]
    assert said[0] == "My name is Zebulon." and said[-1] == "What is my name?" and len(said) == 3
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_a_response_that_is_not_stored_is_not_found(client, model):
    response = client.responses.create(model=model, input="Hi", store=False, max_output_tokens=16)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_a_conversation_as_items(client, model):
    items = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "Name a colour."}]},
        {"role": "assistant", "content": "Blue."},
        {"type": "message", "role": "user", "content": "Another?"},
    ]
    assert client.responses.create(model=model, input=items, max_output_tokens=16).output_text


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("tools", {"tools": [{"type": "web_search"}]}),
        ("previous_response_id", {"previous_response_id": "resp_nothing"}),
        ("background", {"background": True}),
        ("temperature", {"temperature": 7}),
        ("max_output_tokens", {"max_output_tokens": 0}),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(client, model, field, options):
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as refused:
        client.responses.create(model=model, input="Hi", **options)
    assert refused.value.param.startswith(field), refused.value.body


def test_a_strange_store_is_not_found(client, model):
    with pytest.raises(openai.NotFoundError):
        ask(client, model, "Hi", "vs_nothing")
