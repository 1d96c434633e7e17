"""Holds JSON bodies to OpenAI's published shapes: the pydantic models of the openai package, strictly, and the JSON Schema made from them.

The SDK itself builds its objects without checking anything, so a wrong body would only show as a strange attribute somewhere else.

    python shapes.py GOLDEN_FOLDER      checks files named after the published type, such as `chat.ChatCompletion-cited.json`
"""

import copy
import functools
import json
import pathlib
import sys

import jsonschema
import openai.types
import openai.types.chat
import openai.types.responses
import openai.types.vector_stores
from openai.types.responses.response_output_text import AnnotationFileCitation
from pydantic import TypeAdapter

# What the `object` of a body promises.
OBJECTS = {
    "chat.completion": "chat.ChatCompletion",
    "chat.completion.chunk": "chat.ChatCompletionChunk",
    "text_completion": "Completion",
    "embedding": "Embedding",
    "model": "Model",
    "file": "FileObject",
    "vector_store": "VectorStore",
    "vector_store.deleted": "VectorStoreDeleted",
    "vector_store.file": "vector_stores.VectorStoreFile",
    "vector_store.file.deleted": "vector_stores.VectorStoreFileDeleted",
    "vector_store.files_batch": "vector_stores.VectorStoreFileBatch",
    "response": "responses.Response",
}
# Pages whose items do not say what they are.
PAGES = {
    "vector_store.search_results.page": "VectorStoreSearchResponse",
    "vector_store.file_content.page": "vector_stores.FileContentResponse",
}


@functools.cache
def published(name):
    """The published type of that name below `openai.types`, as a strict reader and as the validator of its JSON Schema."""
    adapter = TypeAdapter(functools.reduce(getattr, name.split("."), openai.types))
    return adapter, jsonschema.Draft202012Validator(adapter.json_schema())


def check_as(name, body):
    """Fails with every place where `body` is not what is published as `name`."""
    body = without_chat_citations(copy.deepcopy(body))
    adapter, schema = published(name)
    adapter.validate_json(json.dumps(body), strict=True)
    schema.validate(body)


def without_chat_citations(body):
    """`file_citation` is published for responses only; in chat it is Kubemate's extension and has the same shape."""
    for choice in body.get("choices", []) if isinstance(body, dict) else []:
        for holder in (choice.get("message"), choice.get("delta")):
            if holder and "annotations" in holder:
                for note in holder.pop("annotations"):
                    check_citation(note)
    return body


def check_citation(note):
    """A citation has the published fields and Kubemate's."""
    TypeAdapter(AnnotationFileCitation).validate_json(json.dumps(note), strict=True)
    assert note["end"] > note["start"] >= 0, note
    assert len(note["quote"]) == note["end"] - note["start"], note


def check(body):
    """Checks any JSON body of `/v1` by what it says it is."""
    if "error" in body and "object" not in body:
        check_error(body)
    elif body.get("object") == "list":
        check_list(body)
    elif body.get("object") in PAGES:
        for item in body["data"]:
            check_as(PAGES[body["object"]], item)
    elif body.get("deleted") is True:
        check_deleted(body)
    else:
        check_as(OBJECTS[body["object"]], body)


def check_deleted(body):
    names = {"file": "FileDeleted"}
    if body["object"] != "response":  # nothing is published: the SDK returns None
        check_as(names.get(body["object"]) or OBJECTS[body["object"]], body)


def check_error(body):
    assert set(body) == {"error"}, body
    assert {"message", "type", "param", "code"} <= set(body["error"]), body
    assert isinstance(body["error"]["message"], str) and body["error"]["message"], body
    assert isinstance(body["error"]["type"], str) and body["error"]["type"], body


def check_list(body):
    if "results" in body:  # rerank has no published shape at OpenAI
        return
    data = body["data"]
    if data and data[0].get("object") == "embedding":
        if isinstance(data[0]["embedding"], list):  # base64 is asked for by the SDK and decoded by it
            check_as("CreateEmbeddingResponse", body)
        return
    if {"first_id", "last_id"} & set(body):
        assert isinstance(body["has_more"], bool), body
        assert body["first_id"] == (data[0]["id"] if data else None), body
        assert body["last_id"] == (data[-1]["id"] if data else None), body
    for item in data:
        check_as(OBJECTS[item["object"]] if "object" in item else "responses.ResponseItem", item)


def check_golden(folder):
    """Checks every golden file; returns how many bodies were held to a published type."""
    checked = 0
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        name, *kinds = path.stem.split("-")
        body = json.loads(path.read_text(encoding="utf-8"))
        if name == "kubemate.Error":
            check_error(body)
        if name.startswith("kubemate."):
            continue
        bodies = body["data"] if "page" in kinds else body if "list" in kinds else [body]
        for item in bodies:
            check_as(name, item)
        checked += len(bodies)
    assert checked, f"no golden file in {folder}"
    return checked


if __name__ == "__main__":
    print(check_golden(sys.argv[1]), "bodies are as published")
