"""Builds the adapter for a provider's kind; each is imported only in the process that runs it."""

from typing import assert_never

from pointsman.config.schema import AnthropicHttpSection, OpenAiHttpSection, ScriptedSection, TritonSection
from services.providers.config import ProviderConfig
from services.providers.contract import Adapter


def build_adapter(config: ProviderConfig) -> Adapter:
    """Builds the adapter; needs a running event loop. Raises ConfigError for files that the section names and that are bad."""
    match config.section:
        case OpenAiHttpSection() as section:
            from services.providers.openai_http import OpenAiHttpAdapter

            return OpenAiHttpAdapter(section, config.models, config.api_key)
        case AnthropicHttpSection() as section:
            from services.providers.anthropic_http import AnthropicHttpAdapter

            return AnthropicHttpAdapter(section, config.models, config.api_key)
        case TritonSection() as section:
            from services.providers.triton import TritonAdapter

            return TritonAdapter(section, config.models, config.folder)
        case ScriptedSection() as section:
            from services.providers.scripted import ScriptedAdapter

            return ScriptedAdapter.from_file(config.resolve(section.scenario), config.models)
        case unreachable:
            assert_never(unreachable)
