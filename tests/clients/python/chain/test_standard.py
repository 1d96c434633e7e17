"""langchain's standard suites for chat models and embeddings, as far as a model without tools can pass them."""

from conftest import CHAT_MODEL, CONNECTION, EMBEDDING_MODEL
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests


class TestChat(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {**CONNECTION, "model": CHAT_MODEL, "max_tokens": 32, "temperature": 0, "stream_usage": True}

    @property
    def has_tool_calling(self):
        return False

    @property
    def has_structured_output(self):
        return False

    @property
    def supports_json_mode(self):
        return False

    @property
    def returns_usage_metadata(self):
        return True


class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self):
        """Sends token ids of cl100k, as langchain does by default."""
        return {**CONNECTION, "model": EMBEDDING_MODEL}
