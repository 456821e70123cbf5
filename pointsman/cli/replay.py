"""`pointsman replay`: what another policy, or another file, would have made of the requests that were recorded."""

import json
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.message import DecodeError
from grpc import aio
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pointsman import errors, rpc_status
from pointsman.channel import open_channel
from pointsman.cli.consoles import answers, notes
from pointsman.cli.failures import CannotAsk, run_command
from pointsman.cli.replay_view import Found, replay_view
from pointsman.cli.service_process import run_service
from pointsman.cli.target import Whereabouts, find_config, find_target
from pointsman.config.load import load_config
from pointsman.telemetry.v1.telemetry_service_pb2 import ListDecisionsRequest, ListDecisionsResponse
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub

PAGE_SIZE = 500
TIMEOUT_S = 30.0


def run_replay(where: Whereabouts, policy: str, new_config: Path | None, last: int, *, as_json: bool) -> int:
    """Returns the exit code: 0 whatever would change, since that is what was asked."""
    address = ""

    async def run() -> int:
        nonlocal address
        file = new_config or find_config(where)
        if file is None:
            raise CannotAsk(
                "expected --config or --new-config: no mesh is up here whose file could say what policies there are"
            )
        # Said before anything is fetched.
        known = load_config(file).mesh.policies
        if policy and policy not in known:
            raise CannotAsk(f"--policy: expected one of {', '.join(sorted(known))}, found {policy!r}")
        address = find_target(where).telemetry
        decisions = await fetch(address, last)
        arguments = ["--config", str(file), "--policy", policy]
        if new_config is None:
            # The policies of the file on what the models cost and could do then.
            arguments.append("--as-recorded")
        with notes().status("deciding again"):
            output = await run_service(
                "services.router.once", arguments, decisions.SerializeToString(), what="the replay's process"
            )
        found: Found = json.loads(output)
        if as_json:
            print(json.dumps(found, ensure_ascii=False))
        else:
            answers().print(replay_view(found, _what(policy, new_config, file)))
        return 0

    return run_command(run, lambda: address, service="telemetry")


def _what(policy: str, new_config: Path | None, file: Path) -> str:
    parts = [f"policy {policy} for all"] if policy else []
    parts.append(f"with {new_config}" if new_config else f"with the policies and rules of {file}")
    return ", ".join(parts)


async def fetch(address: str, last: int) -> ListDecisionsResponse:
    """The newest decisions with their fleets, as one page; raises PointsmanError."""
    whole = ListDecisionsResponse()
    request = ListDecisionsRequest()
    columns: Sequence[TextColumn | BarColumn | MofNCompleteColumn] = (
        TextColumn("fetching decisions"),
        BarColumn(),
        MofNCompleteColumn(),
    )
    async with open_channel(address) as channel:
        console = notes()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("", total=last)
            while (left := last - len(whole.records)) > 0:
                request.page_size = min(PAGE_SIZE, left)
                page = await _page(channel, request)
                whole.records.extend(page.records)
                whole.snapshots.extend(page.snapshots)
                progress.update(task, completed=len(whole.records))
                request.page_token = page.next_page_token
                if not page.next_page_token:
                    break
    return whole


async def _page(channel: aio.Channel, request: ListDecisionsRequest) -> ListDecisionsResponse:
    call = TelemetryServiceStub(channel).ListDecisions(request, timeout=TIMEOUT_S)
    try:
        return await call
    except aio.AioRpcError as error:
        raise rpc_status.from_rpc_error(error) from error
    except DecodeError as error:
        raise errors.ProviderProtocol("telemetry sent bytes that are no page of decisions") from error
    finally:
        call.cancel()
