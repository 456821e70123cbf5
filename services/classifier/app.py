"""Puts the classifier's process together."""

from contextlib import AsyncExitStack

from pointsman.classifier.v1.classifier_service_pb2 import DESCRIPTOR
from pointsman.classifier.v1.classifier_service_pb2_grpc import add_ClassifierServiceServicer_to_server
from pointsman.config.load import ConfigError, Problem, load_config
from pointsman.config.schema import ClassifierTierChoice
from services.classifier.batcher import Batcher
from services.classifier.config import read_config
from services.classifier.manifest import ModelFilesError
from services.classifier.model import ClassifierModel
from services.classifier.servicer import ClassifierServicer
from services.runtime.health import Health
from services.runtime.server import Server
from services.runtime.settings import Settings
from services.runtime.tracing import Tracing

SERVICE = DESCRIPTOR.services_by_name["ClassifierService"].full_name


async def run(settings: Settings) -> None:
    """Serves until a signal; raises ConfigError (model files among it) and AddressTaken."""
    loaded = load_config(settings.config_path)
    config = read_config(loaded, settings)
    try:
        with_encoder = config.tier is not ClassifierTierChoice.FAST
        model = ClassifierModel(config.models_dir, threads=config.threads, with_encoder=with_encoder)
    except ModelFilesError as error:
        raise ConfigError(loaded.path, [Problem(0, "classifier.models_dir", str(error))]) from error
    async with AsyncExitStack() as stack:
        stack.callback(Tracing(settings).close)
        health = Health(SERVICE)
        await health.report("model", True, vital=True)
        batcher = Batcher(model, max_batch=config.max_batch, queue_size=config.queue_size)
        await stack.enter_async_context(batcher.running())
        server = Server(config.address, health, [SERVICE])
        servicer = ClassifierServicer(batcher, config.tier, model.revision)
        add_ClassifierServiceServicer_to_server(servicer, server.grpc)
        await server.serve_until_signal(settings.drain_grace_s)
