"""A client whose every JSON body is held to the published shapes, and the documents that tests ask about."""

import json
import os
import pathlib
import sys
import uuid

import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import shapes  # noqa: E402

BASE_URL = os.environ["KUBEMATE_BASE_URL"]
KEY = os.environ["KUBEMATE_API_KEY"]


def check_body(response):
    """Event hook of the HTTP client: reads JSON bodies early and checks them; streams pass."""
    if response.headers.get("content-type", "").startswith("application/json"):
        shapes.check(json.loads(response.read()))


async def check_body_async(response):
    if response.headers.get("content-type", "").startswith("application/json"):
        shapes.check(json.loads(await response.aread()))


@pytest.fixture(scope="session")
def client():
    http = openai.DefaultHttpxClient(event_hooks={"response": [check_body]})
    return openai.OpenAI(base_url=BASE_URL, api_key=KEY, http_client=http, max_retries=0)


@pytest.fixture
def aclient():
    http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [check_body_async]})
    return openai.AsyncOpenAI(base_url=BASE_URL, api_key=KEY, http_client=http, max_retries=0)


@pytest.fixture(scope="session")
def model():
    return os.environ["KUBEMATE_CHAT_MODEL"]


@pytest.fixture(scope="session")
def embedding_model():
    return os.environ["KUBEMATE_EMBEDDING_MODEL"]


@pytest.fixture(scope="session")
def documents():
    """Folder of `handbook.pdf`, `shouce.txt` and `facts.json` (file, question, needle, page)."""
    return pathlib.Path(os.environ["KUBEMATE_DOCUMENTS"])


@pytest.fixture(scope="session")
def facts(documents):
    return json.loads((documents / "facts.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def library(client, documents):
    """A vector store that holds both documents, and the ids of its files by name."""
    store = client.vector_stores.create(name="library")
    names = ["handbook.pdf", "shouce.txt"]
    files = {}
    for name in names:
        attached = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=documents / name)
        assert attached.status == "completed", attached
        files[name] = attached.id
    return store.id, files


@pytest.fixture
def name():
    """A name that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def stored_text(client):
    """Reads the text that citations point into."""

    def read(store, file):
        return "".join(part.text for part in client.vector_stores.files.content(file, vector_store_id=store))

    return read


def check_events(events):
    """Checks each event of a stream, as sent, against its published type."""
    for event in events:
        body = event.to_dict(mode="json")
        shapes.check_as("responses.ResponseStreamEvent" if "type" in body else shapes.OBJECTS[body["object"]], body)
    return events


@pytest.fixture
def checked():
    return check_events
