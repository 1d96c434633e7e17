"""OpenAI's client before a real Ollama server: what it needs is translated both ways."""

import json
import os
import pathlib
import sys

import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import shapes  # noqa: E402


def check_body(response):
    """Reads JSON bodies early and holds them to the published shapes; streams pass."""
    if response.headers.get("content-type", "").startswith("application/json"):
        shapes.check(json.loads(response.read()))


@pytest.fixture(scope="session")
def client():
    http = openai.DefaultHttpxClient(event_hooks={"response": [check_body]})
    connection = {"base_url": os.environ["KUBEMATE_BASE_URL"], "api_key": os.environ["KUBEMATE_API_KEY"]}
    return openai.OpenAI(**connection, http_client=http, max_retries=0)


@pytest.fixture(scope="session")
def model():
    return os.environ["KUBEMATE_CHAT_MODEL"]


@pytest.fixture
def checked():
    """Checks each event of a stream, as sent, against its published type."""

    def check(events):
        for event in events:
            body = event.to_dict(mode="json")
            shapes.check_as(shapes.OBJECTS[body["object"]], body)
        return events

    return check
