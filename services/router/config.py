"""What the router needs of the configuration, frozen; prices and windows are complete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pointsman.config.addresses import classifier_address, provider_address, router_address, telemetry_address
from pointsman.config.catalogue import Model, complete_models
from pointsman.config.load import LoadedConfig
from pointsman.config.schema import LimitsSection, PolicySection
from services.router.policy import Policy, excluded
from services.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """`providers` maps each provider's name to its address; times in seconds."""

    address: str
    classifier_address: str
    telemetry_address: str
    providers: Mapping[str, str]
    models: tuple[Model, ...]
    policies: Mapping[str, Policy]
    default_policy: str
    limits: LimitsSection
    classifier_timeout_s: float
    classifier_confidence_bar: float
    revision: str


def read_config(loaded: LoadedConfig, settings: Settings) -> RouterConfig:
    """Completes the models; raises ConfigError naming what nobody knows of them."""
    mesh, run_dir = loaded.mesh, settings.run_dir
    models = complete_models(loaded)
    return RouterConfig(
        address=settings.address or router_address(mesh, run_dir),
        classifier_address=classifier_address(mesh, run_dir),
        telemetry_address=telemetry_address(mesh, run_dir),
        providers={name: provider_address(mesh, run_dir, name) for name in mesh.providers},
        models=models,
        policies={name: _policy(name, section, models) for name, section in mesh.policies.items()},
        default_policy=mesh.router.default_policy,
        limits=mesh.limits,
        classifier_timeout_s=mesh.router.classifier_timeout_ms / 1_000,
        classifier_confidence_bar=mesh.router.classifier_confidence_bar,
        revision=loaded.revision,
    )


def _policy(name: str, section: PolicySection, models: Sequence[Model]) -> Policy:
    return Policy(
        name=name,
        success_value_micros=section.success_value * 1e6,
        second_value_micros=section.second_value * 1e6,
        min_quality=section.min_quality,
        default_complexity=section.default_complexity,
        excluded=excluded((model.reference for model in models), section.allow, section.deny),
        max_cost_micros=None if section.max_cost is None else round(section.max_cost * 1e6),
    )
