"""Fills the addresses of a mesh into an Envoy configuration. Pure: text in, text out.

One file is the source of everything else: `deploy/envoy/envoy.yaml`, which also works as it stands.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

# The file of `deploy/envoy/`, wherever the package is installed.
SHIPPED = Path(__file__).with_name("envoy.yaml")
LISTENER = "clients"
CLUSTER = "routers"


class BadEnvoyFile(Exception):
    """The file is no configuration that addresses could be filled into; the message names the field and what was expected."""


def fill_in(text: str, listen: str, routers: Sequence[str], admin: str) -> str:
    """Returns the configuration with the listener `clients` at `listen`, and the cluster `routers` made of `routers`.

    Addresses are `unix:/path` or `ip:port`. Raises BadEnvoyFile.
    """
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadEnvoyFile(str(error)) from error
    if not isinstance(config, dict):
        raise BadEnvoyFile("expected a mapping, as deploy/envoy/envoy.yaml is one")
    resources = config.get("static_resources")
    _named(resources, "listeners", LISTENER)["address"] = _address(listen)
    _named(resources, "clusters", CLUSTER)["load_assignment"] = {
        "cluster_name": CLUSTER,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(router)}} for router in routers]}],
    }
    config["admin"] = {"address": _address(admin)}
    return yaml.safe_dump(config, sort_keys=False)


def _named(resources: object, kind: str, name: str) -> dict[str, Any]:
    entries = resources.get(kind) if isinstance(resources, Mapping) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    raise BadEnvoyFile(f"static_resources.{kind}: expected one with the name {name!r}")


def _address(address: str) -> dict[str, Any]:
    if address.startswith("unix:"):
        return {"pipe": {"path": address.removeprefix("unix:")}}
    host, _, port = address.rpartition(":")
    ip = ipaddress.ip_address(host.strip("[]"))
    return {"socket_address": {"address": str(ip), "port_value": int(port)}}
