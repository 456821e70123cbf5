"""`pointsman train`: becomes the process that adapts the classifier's model."""

from pathlib import Path

from pointsman.cli.failures import run_command
from pointsman.cli.local_model import become_training


def run_train(source: Path, models_dir: Path | None, out: Path | None, *, skip_bad: bool, force: bool) -> int:
    """Returns an exit code only where the process cannot be started."""

    async def check() -> int:
        arguments = ["--from", str(source)]
        for name, folder in (("--models-dir", models_dir), ("--out", out)):
            arguments += [name, str(folder)] if folder else []
        arguments += ["--skip-bad"] * skip_bad + ["--force"] * force
        become_training(arguments)
        raise AssertionError("the process was replaced")

    return run_command(check)
