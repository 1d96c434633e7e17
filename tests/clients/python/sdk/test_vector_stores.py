"""Vector stores: their files, batches, filters and search."""

import time

import openai
import pytest


@pytest.fixture
def store(client, name):
    made = client.vector_stores.create(name=name, metadata={"team": "support"})
    yield made
    client.vector_stores.delete(made.id)


def upload(client, name, text):
    return client.files.create(file=(name, text.encode()), purpose="assistants")


def test_a_store_is_made_changed_and_deleted(client, name):
    store = client.vector_stores.create(name=name, metadata={"team": "support"}, expires_after={"anchor": "last_active_at", "days": 7})
    assert store.id.startswith("vs_")
    assert (store.name, store.metadata, store.status) == (name, {"team": "support"}, "completed")
    assert store.file_counts.total == 0
    assert store.expires_after.days == 7 and store.expires_at > store.created_at
    changed = client.vector_stores.update(store.id, name="other", metadata={"team": "sales"}, expires_after=None)
    assert (changed.name, changed.metadata, changed.expires_after) == ("other", {"team": "sales"}, None)
    assert client.vector_stores.retrieve(store.id).name == "other"
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(store.id)


def test_lists_are_paged_in_both_directions(client, name):
    made = [client.vector_stores.create(name=f"{name}-{n}").id for n in range(5)]
    mine = [store.id for store in client.vector_stores.list(limit=2, order="asc") if store.id in made]
    assert mine == made
    page = client.vector_stores.list(limit=2, order="asc", after=made[1])
    assert [store.id for store in page.data] == made[2:4]
    before = client.vector_stores.list(limit=2, order="asc", before=made[3])
    assert [store.id for store in before.data] == made[1:3]
    for store in made:
        client.vector_stores.delete(store)


def test_upload_and_poll(client, store, documents, facts):
    file = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=documents / "handbook.pdf")
    assert (file.status, file.last_error, file.vector_store_id) == ("completed", None, store.id)
    assert file.usage_bytes > 0
    counts = client.vector_stores.retrieve(store.id).file_counts
    assert (counts.completed, counts.total) == (1, 1)
    fact = next(fact for fact in facts if fact["file"] == "handbook.pdf")
    [best, *_] = client.vector_stores.search(store.id, query=fact["question"], max_num_results=5)
    assert fact["needle"] in "".join(part.text for part in best.content).replace("\n", " ")
    assert (best.filename, best.page) == ("handbook.pdf", fact["page"])
    assert 0 <= best.score <= 1


def test_chinese_text_is_found_by_chinese_questions(client, library, facts):
    store, files = library
    for fact in (fact for fact in facts if fact["file"] == "shouce.txt"):
        hits = list(client.vector_stores.search(store, query=fact["question"], max_num_results=3))
        assert any(fact["needle"] in part.text for hit in hits for part in hit.content), fact
        assert hits[0].file_id == files["shouce.txt"]


def test_search_results_slice_the_stored_text(client, library, stored_text, facts):
    store, _ = library
    for hit in client.vector_stores.search(store, query=[fact["question"] for fact in facts], max_num_results=10):
        text = stored_text(store, hit.file_id)
        assert text[hit.start : hit.end] == hit.content[0].text


def test_create_and_poll_with_static_chunks(client, store, name):
    file = upload(client, f"{name}.md", "# Cats\n\nCats sleep a lot.\n\n# Dogs\n\nDogs bark.\n")
    sizes = {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 10}
    attached = client.vector_stores.files.create_and_poll(
        vector_store_id=store.id, file_id=file.id, chunking_strategy={"type": "static", "static": sizes}
    )
    assert attached.status == "completed"
    assert attached.chunking_strategy.static.to_dict() == sizes
    assert "Cats sleep a lot." in "".join(part.text for part in client.vector_stores.files.content(file.id, vector_store_id=store.id))
    assert [file.id for file in client.vector_stores.files.list(store.id, filter="completed")] == [attached.id]
    assert list(client.vector_stores.files.list(store.id, filter="failed")) == []


def test_attributes_filter_what_is_found(client, store, name):
    for year, draft, text in [(2024, True, "Cats sleep a lot."), (2025, False, "Cats sleep at night."), (2026, False, "Cats sleep by day.")]:
        file = upload(client, f"{name}-{year}.txt", text)
        attributes = {"year": year, "draft": draft, "author": "李" if year == 2026 else "Ann"}
        attached = client.vector_stores.files.create_and_poll(vector_store_id=store.id, file_id=file.id, attributes=attributes)
        assert (attached.status, attached.attributes) == ("completed", attributes)

    def years(filters):
        found = client.vector_stores.search(store.id, query="When do cats sleep?", filters=filters)
        return sorted(int(hit.attributes["year"]) for hit in found)

    def one(kind, key, value):
        return {"type": kind, "key": key, "value": value}

    assert years(one("eq", "year", 2025)) == [2025]
    assert years(one("ne", "year", 2025)) == [2024, 2026]
    assert years(one("gt", "year", 2024)) == [2025, 2026]
    assert years(one("gte", "year", 2025)) == [2025, 2026]
    assert years(one("lt", "year", 2025)) == [2024]
    assert years(one("lte", "year", 2025)) == [2024, 2025]
    assert years(one("eq", "draft", False)) == [2025, 2026]
    assert years(one("eq", "author", "李")) == [2026]
    assert years(one("in", "author", ["李", "Bob"])) == [2026]
    assert years(one("nin", "author", ["李", "Bob"])) == [2024, 2025]
    both = {"type": "and", "filters": [one("gt", "year", 2024), one("eq", "author", "Ann")]}
    assert years(both) == [2025]
    assert years({"type": "or", "filters": [both, one("eq", "draft", True)]}) == [2024, 2025]


def test_attributes_can_be_changed_later(client, store, name):
    file = upload(client, f"{name}.txt", "Cats sleep a lot.")
    client.vector_stores.files.create_and_poll(vector_store_id=store.id, file_id=file.id, attributes={"year": 2024})
    changed = client.vector_stores.files.update(file.id, vector_store_id=store.id, attributes={"year": 2026})
    assert changed.attributes == {"year": 2026}

    def found(year):
        filters = {"type": "eq", "key": "year", "value": year}
        return [hit.file_id for hit in client.vector_stores.search(store.id, query="cats", filters=filters)]

    deadline = time.monotonic() + 60  # the index follows in the background; the old attributes are found until then
    while found(2026) != [file.id]:
        assert time.monotonic() < deadline
    assert found(2024) == []


def test_batches(client, store, name):
    files = [upload(client, f"{name}-{n}.txt", f"Cat number {n} sleeps.") for n in range(3)]
    batch = client.vector_stores.file_batches.create_and_poll(
        vector_store_id=store.id, file_ids=[file.id for file in files], attributes={"kind": "cat"}
    )
    assert batch.id.startswith("vsfb_")
    assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 3, 3)
    listed = list(client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, limit=2))
    assert {file.id for file in listed} == {file.id for file in files}
    assert all(file.attributes == {"kind": "cat"} for file in listed)


def test_a_batch_of_uploads(client, store, documents):
    opened = [(documents / "handbook.pdf").open("rb"), (documents / "shouce.txt").open("rb")]
    batch = client.vector_stores.file_batches.upload_and_poll(vector_store_id=store.id, files=opened)
    assert (batch.status, batch.file_counts.completed) == ("completed", 2)


def test_a_batch_with_settings_for_each_file(client, store, name):
    files = [upload(client, f"{name}-{n}.txt", f"Cat number {n} sleeps.") for n in range(2)]
    items = [{"file_id": file.id, "attributes": {"number": n}} for n, file in enumerate(files)]
    batch = client.vector_stores.file_batches.create(vector_store_id=store.id, files=items)
    done = client.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
    assert done.file_counts.completed == 2
    numbers = {file.id: file.attributes["number"] for file in client.vector_stores.files.list(store.id)}
    assert numbers == {file.id: n for n, file in enumerate(files)}


def test_a_batch_can_be_cancelled(client, store, name):
    files = [upload(client, f"{name}-{n}.txt", "Cats sleep. " * 3000) for n in range(4)]
    batch = client.vector_stores.file_batches.create(vector_store_id=store.id, file_ids=[file.id for file in files])
    client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    done = client.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
    assert done.file_counts.in_progress == 0
    assert done.file_counts.cancelled >= 1
    assert done.status == "cancelled"


def test_a_file_that_cannot_be_read_fails_with_a_reason(client, store, name):
    broken = client.files.create(file=(f"{name}.pdf", b"%PDF-1.7 this is not one"), purpose="assistants")
    attached = client.vector_stores.files.create_and_poll(vector_store_id=store.id, file_id=broken.id)
    assert attached.status == "failed"
    assert attached.last_error.code in ("invalid_file", "unsupported_file")
    assert attached.last_error.message
    strange = client.files.create(file=(f"{name}.exe", b"MZ\x90\x00\x03" + bytes(4096)), purpose="assistants")
    attached = client.vector_stores.files.create_and_poll(vector_store_id=store.id, file_id=strange.id)
    assert (attached.status, attached.last_error.code) == ("failed", "unsupported_file")


def test_what_was_deleted_is_found_nowhere(client, store, name):
    file = upload(client, f"{name}.txt", "The password of the attic is marmalade.")
    client.vector_stores.files.create_and_poll(vector_store_id=store.id, file_id=file.id)
    assert list(client.vector_stores.search(store.id, query="password of the attic"))
    assert client.vector_stores.files.delete(file.id, vector_store_id=store.id).deleted
    assert list(client.vector_stores.search(store.id, query="password of the attic")) == []
    for gone in (client.vector_stores.files.retrieve, client.vector_stores.files.content):
        with pytest.raises(openai.NotFoundError):
            gone(file.id, vector_store_id=store.id)
    assert client.vector_stores.retrieve(store.id).file_counts.total == 0
    assert client.files.retrieve(file.id).id == file.id  # detaching keeps the upload


def test_deleting_the_upload_empties_every_store(client, store, name):
    file = upload(client, f"{name}.txt", "The password of the cellar is quince.")
    client.vector_stores.files.create_and_poll(vector_store_id=store.id, file_id=file.id)
    client.files.delete(file.id)
    assert list(client.vector_stores.search(store.id, query="password of the cellar")) == []
    assert client.vector_stores.retrieve(store.id).file_counts.total == 0


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("max_num_results", {"max_num_results": 0}),
        ("max_num_results", {"max_num_results": 51}),
        ("query", {"query": ""}),
        ("filters", {"filters": {"type": "like", "key": "a", "value": "b"}}),
        ("filters", {"filters": {"type": "gt", "key": "a", "value": "b"}}),
        ("ranking_options", {"ranking_options": {"score_threshold": 2}}),
    ],
)
def test_a_wrong_search_is_refused_by_name(client, library, field, options):
    with pytest.raises(openai.BadRequestError) as refused:
        client.vector_stores.search(library[0], **{"query": "a", **options})
    assert refused.value.param.startswith(field), refused.value.body


def test_strange_ids_are_not_found(client, store):
    for call in (
        lambda: client.vector_stores.files.create(vector_store_id=store.id, file_id="file-nothing"),
        lambda: client.vector_stores.files.retrieve("file-nothing", vector_store_id=store.id),
        lambda: client.vector_stores.search("vs_nothing", query="a"),
        lambda: client.vector_stores.file_batches.retrieve("vsfb_nothing", vector_store_id=store.id),
    ):
        with pytest.raises(openai.NotFoundError):
            call()


@pytest.mark.parametrize("sizes", [(99, 10), (4097, 10), (200, 101)])
def test_wrong_chunk_sizes_are_refused(client, store, name, sizes):
    file = upload(client, f"{name}.txt", "x")
    static = {"max_chunk_size_tokens": sizes[0], "chunk_overlap_tokens": sizes[1]}
    with pytest.raises(openai.BadRequestError) as refused:
        client.vector_stores.files.create(vector_store_id=store.id, file_id=file.id, chunking_strategy={"type": "static", "static": static})
    assert refused.value.param.startswith("chunking_strategy")
