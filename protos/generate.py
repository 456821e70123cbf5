"""Writes the Python of the contracts: messages, their type stubs, and gRPC stubs, beside the client in `pointsman/`.

python protos/generate.py            write the committed files
python protos/generate.py --check    exit 1 and name each committed file that differs from its contract
"""

import argparse
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
REPOSITORY = ROOT.parent
PATTERNS = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def generate(target: Path) -> None:
    """Compiles every contract into `target`; raises SystemExit with protoc's code when one does not compile."""
    bin_dir = Path(sys.executable).parent
    contracts = sorted(str(path) for path in ROOT.rglob("*.proto"))
    code = protoc.main(
        [
            "protoc",
            f"--plugin=protoc-gen-mypy_grpc={bin_dir / 'protoc-gen-mypy_grpc'}",
            f"--proto_path={ROOT}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_grpc_out=quiet:{target}",
            *contracts,
        ]
    )
    if code:
        raise SystemExit(code)
    # protoc writes stubs for files without a service too; they hold nothing.
    package = target / "pointsman"
    for stubs in package.rglob("*_pb2_grpc.py"):
        if "Servicer" not in stubs.read_text(encoding="utf-8"):
            stubs.unlink()
            stubs.with_suffix(".pyi").unlink()
    for folder in {path.parent for path in package.rglob("*_pb2.py")}:
        (folder / "__init__.py").touch()
        (folder.parent / "__init__.py").touch()


def generated(root: Path) -> dict[Path, bytes]:
    """Maps each generated file's path below `root` to its content."""
    return {
        path.relative_to(root): path.read_bytes()
        for pattern in PATTERNS
        for path in (root / "pointsman").glob(f"*/v1/{pattern}")
    }


def check() -> int:
    """Compares the committed files with fresh ones; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, committed = generated(Path(folder)), generated(REPOSITORY)
    stale = sorted(path for path in fresh.keys() | committed.keys() if fresh.get(path) != committed.get(path))
    for path in stale:
        print(f"{path}: does not match its contract; run `make generate`", file=sys.stderr)
    return 1 if stale else 0


def main() -> int:
    """Parses the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    if parser.parse_args().check:
        return check()
    for path in generated(REPOSITORY):
        (REPOSITORY / path).unlink()
    generate(REPOSITORY)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
