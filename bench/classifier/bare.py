"""`python -m bench.classifier.bare ADDRESS FILE`: ClassifierService that always gives the answer in FILE, and does nothing else."""

import asyncio
import sys
from pathlib import Path

import grpc
import uvloop
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from bench.classifier.service import METHOD


async def main(address: str, answer: bytes) -> None:
    """Serves until it is killed."""

    async def classify(request: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
        return answer

    service, _, method = METHOD[1:].rpartition("/")
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {method: grpc.unary_unary_rpc_method_handler(classify)}
    server = aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    health = health_aio.HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.add_insecure_port(address)
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]).read_bytes()))
