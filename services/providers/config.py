"""What one provider's process needs of the configuration: its own section, its models, and its key."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pointsman.config.addresses import provider_address
from pointsman.config.load import ConfigError, LoadedConfig
from pointsman.config.schema import AnthropicHttpSection, AnyProvider, ModelSection, OpenAiHttpSection
from services.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """`api_key` is None where the API needs none; `missing_key` names the variable that should hold one and does not."""

    name: str
    address: str
    section: AnyProvider
    models: Mapping[str, ModelSection]
    api_key: str | None
    missing_key: str | None
    folder: Path

    def resolve(self, path: Path) -> Path:
        """A path that the file gives, relative to the file."""
        return path if path.is_absolute() else self.folder / path


def read_config(loaded: LoadedConfig, settings: Settings) -> ProviderConfig:
    """Picks the provider `settings.instance`; raises ConfigError when the file has none of that name."""
    name, mesh = settings.instance, loaded.mesh
    section = mesh.providers.get(name)
    if section is None:
        known = ", ".join(sorted(mesh.providers))
        raise ConfigError(
            loaded.path, [loaded.problem(("providers",), f"expected to find {name!r}; the file has {known}")]
        )
    variable = section.api_key_env if isinstance(section, OpenAiHttpSection | AnthropicHttpSection) else None
    api_key = settings.environment.get(variable, "").strip() if variable else ""
    return ProviderConfig(
        name=name,
        address=settings.address or provider_address(mesh, settings.run_dir, name),
        section=section,
        models={m.model: m for m in mesh.models if m.provider == name},
        api_key=api_key or None,
        missing_key=variable if variable and not api_key else None,
        folder=loaded.path.parent,
    )
