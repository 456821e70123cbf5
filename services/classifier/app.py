"""Puts the classifier's process together."""

import gc
import logging
from contextlib import AsyncExitStack
from functools import partial

from pointsman.classifier.v1.classifier_service_pb2 import DESCRIPTOR
from pointsman.classifier.v1.classifier_service_pb2_grpc import add_ClassifierServiceServicer_to_server
from pointsman.config.load import ConfigError, Problem, load_config
from pointsman.config.schema import ClassifierTierChoice
from services.classifier.batcher import Batcher
from services.classifier.cached import CachedBatcher
from services.classifier.config import ClassifierConfig, read_config
from services.classifier.counters import ClassifierCounters
from services.classifier.manifest import ModelFilesError
from services.classifier.model import ClassifierModel
from services.classifier.reload import ModelReload, fingerprint
from services.classifier.route_file import load_routes
from services.classifier.servicer import ClassifierServicer
from services.runtime.health import Health
from services.runtime.server import Server
from services.runtime.settings import Settings
from services.runtime.tracing import Tracing

SERVICE = DESCRIPTOR.services_by_name["ClassifierService"].full_name


logger = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Serves until a signal; raises ConfigError (model files among it) and AddressTaken."""
    loaded = load_config(settings.config_path)
    config = read_config(loaded, settings)
    watched = [path for path in (config.models_dir, config.routes_file) if path is not None]
    load = partial(_load, config)
    before = fingerprint(watched)
    try:
        model = load()
    except ModelFilesError as error:
        raise ConfigError(loaded.path, [Problem(0, "classifier.models_dir", str(error))]) from error
    # What is loaded stays: looking through it again and again would hold up requests.
    gc.collect()
    gc.freeze()
    counters = ClassifierCounters()
    async with AsyncExitStack() as stack:
        stack.callback(Tracing(settings).close)
        health = Health(SERVICE)
        await health.report("model", True, vital=True)
        batcher = Batcher(
            model,
            max_batch=config.max_batch,
            queue_size=config.queue_size,
            encoder_wait_s=config.encoder_wait_s,
            counters=counters,
        )
        cached = await stack.enter_async_context(CachedBatcher(batcher, config.cache_entries).running())
        reload = ModelReload(watched, load, cached.swap, health, counters, loaded=before)
        await stack.enter_async_context(reload.running(config.reload_interval_s))
        server = Server(config.address, health, [SERVICE])
        add_ClassifierServiceServicer_to_server(ClassifierServicer(cached, config.tier), server.grpc)
        try:
            await server.serve_until_signal(settings.drain_grace_s)
        finally:
            logger.info("served: %s", counters.summary())


def _load(config: ClassifierConfig) -> ClassifierModel:
    """Loads the model and the operator's routes; raises ModelFilesError and RouteFileError."""
    with_encoder = config.tier is not ClassifierTierChoice.FAST
    model = ClassifierModel(config.models_dir, threads=config.threads, with_encoder=with_encoder)
    if config.routes_file is not None:
        for line in load_routes(config.routes_file, model).lines():
            logger.info("%s", line)
    return model
