"""Files: upload, list, content, delete."""

import hashlib

import openai
import pytest


def test_a_file_comes_back_as_it_went(client, name):
    body = bytes(range(256)) * 4096
    file = client.files.create(file=(f"{name}.bin", body), purpose="user_data")
    assert file.id.startswith("file-")
    assert (file.bytes, file.filename, file.purpose, file.status) == (len(body), f"{name}.bin", "user_data", "processed")
    assert client.files.retrieve(file.id) == file
    returned = client.files.content(file.id).read()
    assert hashlib.sha256(returned).digest() == hashlib.sha256(body).digest()
    assert client.files.delete(file.id).deleted
    for gone in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            gone(file.id)


def test_names_in_other_scripts_survive(client):
    file = client.files.create(file=("用户手册 №1.txt", "你好".encode()), purpose="assistants")
    assert file.filename == "用户手册 №1.txt"
    client.files.delete(file.id)


def test_pages_follow_each_other(client, name):
    ids = [client.files.create(file=(f"{name}-{n}.txt", b"x"), purpose="batch").id for n in range(5)]
    page = client.files.list(purpose="batch", limit=2, order="asc")
    assert len(page.data) == 2 and page.has_next_page()
    walked = [file.id for file in client.files.list(purpose="batch", limit=2, order="asc")]
    assert walked == ids
    backwards = [file.id for file in client.files.list(purpose="batch", limit=2, order="desc")]
    assert backwards == ids[::-1]
    assert [file.id for file in client.files.list(purpose="batch", after=ids[2], order="asc")] == ids[3:]
    for file in ids:
        client.files.delete(file)
    assert list(client.files.list(purpose="batch")) == []


@pytest.mark.parametrize("purpose", ["", "world-domination"])
def test_an_unknown_purpose_is_refused(client, purpose):
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("a.txt", b"x"), purpose=purpose)
    assert refused.value.param == "purpose"


@pytest.mark.parametrize("limit", [0, 10_001])
def test_a_limit_out_of_range_is_refused(client, limit):
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.list(limit=limit)
    assert refused.value.param == "limit"


def test_a_file_may_expire(client):
    file = client.files.create(file=("a.txt", b"x"), purpose="assistants", expires_after={"anchor": "created_at", "seconds": 3600})
    assert file.expires_at == file.created_at + 3600
    client.files.delete(file.id)
