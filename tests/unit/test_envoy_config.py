"""The shipped Envoy file says what the mesh's own code says, and takes the addresses of any mesh."""

from typing import Any

import pytest
import yaml

from pointsman.channel import KEEPALIVE_INTERVAL_MS, KEEPALIVE_TIMEOUT_MS
from pointsman.config.schema import LimitsSection
from pointsman.supervisor.envoy_config import SHIPPED, BadEnvoyFile, fill_in
from pointsman.supervisor.plan import DRAIN_DELAY_S
from services.router.app import BESIDE_THE_PROMPT_BYTES, SERVICE

ROUTERS = ("unix:/run/mesh/router-1.sock", "127.0.0.1:7472")


def filled(listen: str = "127.0.0.1:7470") -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(fill_in(SHIPPED.read_text(), listen, ROUTERS, "unix:/run/mesh/admin.sock"))
    return config


def connections(config: dict[str, Any]) -> dict[str, Any]:
    (filters,) = (chain["filters"] for chain in config["static_resources"]["listeners"][0]["filter_chains"])
    manager: dict[str, Any] = filters[0]["typed_config"]
    return manager


def test_addresses_are_filled_in() -> None:
    config = filled("[::1]:7470")
    resources = config["static_resources"]
    assert resources["listeners"][0]["address"] == {"socket_address": {"address": "::1", "port_value": 7470}}
    endpoints = resources["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert [endpoint["endpoint"]["address"] for endpoint in endpoints] == [
        {"pipe": {"path": "/run/mesh/router-1.sock"}},
        {"socket_address": {"address": "127.0.0.1", "port_value": 7472}},
    ]
    assert config["admin"] == {"address": {"pipe": {"path": "/run/mesh/admin.sock"}}}


def test_both_sides_of_envoy_ping_as_our_own_channels_do() -> None:
    expected = {"interval": f"{KEEPALIVE_INTERVAL_MS // 1000}s", "timeout": f"{KEEPALIVE_TIMEOUT_MS // 1000}s"}
    config = filled()
    (options,) = config["static_resources"]["clusters"][0]["typed_extension_protocol_options"].values()
    upstream = options["explicit_http_config"]["http2_protocol_options"]
    downstream = connections(config)["http2_protocol_options"]
    assert [upstream["connection_keepalive"], downstream["connection_keepalive"]] == [expected, expected]


def test_the_largest_prompt_can_be_sent_again_and_a_drain_is_found_out_in_time() -> None:
    config = filled()
    route = connections(config)["route_config"]["virtual_hosts"][0]["routes"][0]
    assert route["request_body_buffer_limit"] >= LimitsSection().max_prompt_bytes + BESIDE_THE_PROMPT_BYTES
    (check,) = config["static_resources"]["clusters"][0]["health_checks"]
    assert check["grpc_health_check"] == {"service_name": SERVICE}
    worst_s = seconds(check["interval"]) + (check["unhealthy_threshold"] - 1) * seconds(
        check["unhealthy_edge_interval"]
    )
    assert 2 * worst_s < DRAIN_DELAY_S


def test_nothing_that_may_have_begun_is_sent_again_and_no_silent_stream_is_cut() -> None:
    manager = connections(filled())
    (route,) = (route["route"] for route in manager["route_config"]["virtual_hosts"][0]["routes"])
    assert route["retry_policy"]["retry_on"] == "connect-failure,refused-stream,reset-before-request"
    assert (route["timeout"], manager["stream_idle_timeout"]) == ("0s", "0s")
    assert "per_try_timeout" not in route["retry_policy"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[", "while parsing"),
        ("a list", "expected a mapping"),
        ("static_resources: {}", "static_resources.listeners: expected one with the name 'clients'"),
        (
            "static_resources: {listeners: [{name: clients}], clusters: [{name: models}]}",
            "static_resources.clusters: expected one with the name 'routers'",
        ),
    ],
)
def test_a_file_without_a_place_for_addresses_is_told(text: str, told: str) -> None:
    with pytest.raises(BadEnvoyFile, match=told):
        fill_in(text, "127.0.0.1:7470", ROUTERS, "unix:/a")


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))
