"""LangChain's own integration tests of a chat model, with the sidecar at ROUTER_ADDRESS as the model."""

import os

from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests


class TestSidecar(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        # LangChain asks for a stream's usage only where it takes the address for OpenAI's own.
        address = f"{os.environ['ROUTER_ADDRESS']}/v1"
        return {"model": "auto", "base_url": address, "api_key": "unused", "stream_usage": True}

    @property
    def supports_json_mode(self):
        return True


class TestSidecarResponses(ChatModelIntegrationTests):
    """The same over the Responses API."""

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {
            "model": "auto",
            "base_url": f"{os.environ['ROUTER_ADDRESS']}/v1",
            "api_key": "unused",
            "use_responses_api": True,
        }
