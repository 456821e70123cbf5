"""What the router needs of the configuration, frozen; prices and windows are complete."""

from collections.abc import Mapping
from dataclasses import dataclass

from pointsman.config.addresses import classifier_address, provider_address, router_address, telemetry_address
from pointsman.config.catalogue import Model, complete_models
from pointsman.config.load import LoadedConfig
from pointsman.config.routing_schema import PricesSection
from pointsman.config.schema import LimitsSection, RouterSection
from services.router.choice import Routing
from services.router.routing_config import read_routing
from services.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """`providers` maps each provider's name to its address; `prices.file` is an absolute path; `loaded` is the file as it is."""

    loaded: LoadedConfig
    address: str
    classifier_address: str
    telemetry_address: str
    providers: Mapping[str, str]
    models: tuple[Model, ...]
    routing: Routing
    limits: LimitsSection
    section: RouterSection
    prices: PricesSection
    revision: str


@dataclass(slots=True)
class InForce:
    """The configuration that holds now: whoever reads it anew for each request follows a reload."""

    config: RouterConfig


def read_config(loaded: LoadedConfig, settings: Settings) -> RouterConfig:
    """Completes the models; raises ConfigError naming what nobody knows of them."""
    mesh, run_dir = loaded.mesh, settings.run_dir
    models = complete_models(loaded)
    prices = mesh.prices
    if prices.file is not None:
        # Links are not followed: where the configuration is one into a folder that is replaced, as in Kubernetes, so is this file.
        prices = prices.model_copy(update={"file": settings.config_path.absolute().parent / prices.file})
    return RouterConfig(
        loaded=loaded,
        address=settings.address or router_address(mesh, run_dir),
        classifier_address=classifier_address(mesh, run_dir),
        telemetry_address=telemetry_address(mesh, run_dir),
        providers={name: provider_address(mesh, run_dir, name) for name in mesh.providers},
        models=models,
        routing=read_routing(mesh, [model.reference for model in models]),
        limits=mesh.limits,
        section=mesh.router,
        prices=prices,
        revision=loaded.revision,
    )
