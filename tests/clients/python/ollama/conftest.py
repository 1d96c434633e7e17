"""Ollama's client, configured as its users do it: by OLLAMA_HOST and OLLAMA_API_KEY."""

import os

import ollama
import pytest


@pytest.fixture(scope="session")
def client():
    return ollama.Client()


@pytest.fixture
def aclient():
    return ollama.AsyncClient()


@pytest.fixture(params=["local", "far"])
def model(request):
    """A model of this process, and one that a real Ollama server answers for."""
    return os.environ[f"KUBEMATE_{request.param.upper()}_MODEL"]


@pytest.fixture(scope="session")
def local():
    return os.environ["KUBEMATE_LOCAL_MODEL"]


@pytest.fixture(scope="session")
def far():
    return os.environ["KUBEMATE_FAR_MODEL"]


@pytest.fixture(scope="session")
def embedder():
    return os.environ["KUBEMATE_EMBEDDING_MODEL"]
