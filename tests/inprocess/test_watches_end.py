"""A watch never ends by itself, so a drain must end it: otherwise each restart would take the whole grace."""

import asyncio
from pathlib import Path

from pointsman.channel import open_channel
from pointsman.provider.v1 import provider_service_pb2 as pb
from pointsman.provider.v1.provider_service_pb2_grpc import ProviderServiceStub
from tests.inprocess.mesh import PATIENCE_S, running_mesh


async def test_a_draining_provider_ends_the_watches_of_its_models(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh, open_channel(f"unix:{tmp_path}/provider-first.sock") as channel:
        watch = ProviderServiceStub(channel).WatchModelHealth(pb.WatchModelHealthRequest())
        states = aiter(watch)
        assert [seen.model for seen in (await anext(states)).models] == ["m"]
        async with asyncio.timeout(PATIENCE_S):
            await mesh.stop_provider("first", grace_s=10 * PATIENCE_S)
            assert [state async for state in states if state is None] == []
        assert (await watch.code()).name == "OK"
