"""`pointsman`: runs a mesh and talks to it. Exit codes: 1 failure, 2 usage or configuration, 3 an address is taken."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pointsman.cli.options import (
    Address,
    AsJson,
    Config,
    DataClass,
    MaxCost,
    MaxFirstToken,
    MaxTokens,
    Metadata,
    MinRate,
    Model,
    Policy,
    PromptText,
    RequestId,
    RunDir,
    Session,
    System,
    Tags,
    Telemetry,
    Tenant,
)

# Nothing heavy may be imported here: `pointsman --help` answers at once.
app = typer.Typer(
    help="A gRPC mesh for dynamic model-switching: each request goes to the model that is worth its price.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class JudgingTier(StrEnum):
    """One of the classifier's models."""

    FAST = "fast"
    ENCODER = "encoder"


@app.command()
def up(
    config: Annotated[Path, typer.Option(help="The mesh's YAML file.", envvar="POINTSMAN_CONFIG", show_default=False)],
    run_dir: RunDir = None,
    drain_grace: Annotated[
        float, typer.Option(help="Seconds that open streams get when the mesh ends.", min=0, max=3_600)
    ] = 10.0,
    log_level: Annotated[
        str | None,
        typer.Option(help="DEBUG, INFO, WARNING or ERROR.", envvar="POINTSMAN_LOG_LEVEL", show_default="INFO"),
    ] = None,
    envoy: Annotated[
        bool, typer.Option("--envoy", help="Two routers, and Envoy before them where clients come to.")
    ] = False,
    envoy_config: Annotated[
        Path | None,
        typer.Option(
            help="Envoy's file; asks for --envoy. Addresses are filled in.", show_default="the shipped deploy/envoy"
        ),
    ] = None,
) -> None:
    """Run all services of a mesh on this machine, until Ctrl-C.

    A service that dies is started again. A second Ctrl-C does not wait for open streams. Exit code 2 where the configuration is
    wrong, 3 where a mesh is up already or an address is taken.
    """
    from pointsman.cli.up import run_up
    from pointsman.supervisor.envoy_config import SHIPPED

    envoy_file = envoy_config or (SHIPPED if envoy else None)
    raise SystemExit(run_up(config, run_dir, drain_grace, log_level, envoy_file))


@app.command()
def chat(
    prompt: PromptText,
    policy: Policy = "",
    model: Model = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    temperature: Annotated[float | None, typer.Option(min=0, show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(min=-(2**63), max=2**63 - 1, show_default=False)] = None,
    max_cost: MaxCost = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for the whole answer.", show_default=False)] = None,
    session: Session = "",
    tenant: Tenant = "",
    tag: Tags = None,
    metadata: Metadata = None,
    data_class: DataClass = "",
    max_first_token: MaxFirstToken = None,
    min_rate: MinRate = None,
    request_id: RequestId = "",
    address: Address = None,
    config: Config = None,
    run_dir: RunDir = None,
) -> None:
    """Ask the mesh; streams the answer, then tells where it came from.

    That is: which model, why, how fast and for how much. A pipe gets the answer alone, in one piece; the rest goes to standard error.
    """
    from pointsman.cli.ask import Labels, Question
    from pointsman.cli.chat import run_chat
    from pointsman.cli.target import Whereabouts

    labels = Labels(session, tenant, tag or (), metadata or (), data_class, max_first_token, min_rate, request_id)
    question = Question(prompt, policy, model, system, max_tokens, temperature, seed, max_cost, timeout, labels)
    raise SystemExit(run_chat(question, Whereabouts(address, config, run_dir)))


@app.command()
def explain(
    prompt: PromptText,
    policy: Policy = "",
    model: Model = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    session: Session = "",
    tenant: Tenant = "",
    tag: Tags = None,
    metadata: Metadata = None,
    data_class: DataClass = "",
    max_first_token: MaxFirstToken = None,
    min_rate: MinRate = None,
    request_id: RequestId = "",
    as_json: AsJson = False,
    address: Address = None,
    config: Config = None,
    run_dir: RunDir = None,
) -> None:
    """Show where a prompt would go, and how the models compare.

    No model is asked. Candidates come in the order in which the router would try them, each with what its score is made of; then those
    that it ruled out, and why. With --request-id it is the decision of the request with that id.
    """
    from pointsman.cli.ask import Labels, Question
    from pointsman.cli.explain import run_explain
    from pointsman.cli.target import Whereabouts

    labels = Labels(session, tenant, tag or (), metadata or (), data_class, max_first_token, min_rate, request_id)
    question = Question(prompt, policy, model, system, max_tokens, max_cost_usd=max_cost, labels=labels)
    raise SystemExit(run_explain(question, Whereabouts(address, config, run_dir), as_json=as_json))


@app.command()
def replay(
    policy: Annotated[
        str, typer.Option(help="The policy that every request is taken to have asked for.", show_default="as recorded")
    ] = "",
    new_config: Annotated[
        Path | None,
        typer.Option(help="Another file, whose policies, rules, models and prices are tried.", show_default=False),
    ] = None,
    last: Annotated[int, typer.Option(help="So many of the newest decisions.", min=1, max=10_000_000)] = 1_000,
    as_json: AsJson = False,
    telemetry: Telemetry = None,
    config: Config = None,
    run_dir: RunDir = None,
) -> None:
    """Try a policy, or a whole file, on recorded requests.

    Telemetry keeps each decision with what it was made from, but for the prompt. They are taken again, and shown beside what was
    decided: the share of each model, cost, expected quality and time, and which decisions change. No model is asked.
    """
    from pointsman.cli.replay import run_replay
    from pointsman.cli.target import Whereabouts

    raise SystemExit(
        run_replay(Whereabouts(None, config, run_dir, telemetry), policy, new_config, last, as_json=as_json)
    )


@app.command()
def classify(
    prompt: PromptText,
    tier: Annotated[
        JudgingTier | None,
        typer.Option(help="The tier that should judge.", show_default="the service's own; locally both"),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Judge by the model files on this machine, without a mesh.")
    ] = False,
    models_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the model files; asks for --local.", show_default="what the file says, else the shipped"
        ),
    ] = None,
    as_json: AsJson = False,
    system: System = None,
    address: Annotated[
        str | None, typer.Option(help="The classifier, as unix:/path or host:port.", show_default=False)
    ] = None,
    config: Config = None,
    run_dir: RunDir = None,
) -> None:
    """Show what the classifier thinks of a prompt.

    Its intent, how likely models of each size answer it rightly, how far that can be believed, how long the answer gets, and the time
    that took. Without a mesh, and without --address, the model files on this machine judge: both tiers, side by side.
    """
    from pointsman.cli.ask import Question
    from pointsman.cli.classify import run_classify
    from pointsman.cli.target import Whereabouts

    where = Whereabouts(address, config, run_dir)
    wanted = None if tier is None else tier.value
    raise SystemExit(
        run_classify(Question(prompt, system=system), where, wanted, models_dir, local=local, as_json=as_json)
    )


@app.command()
def feedback(
    request_id: Annotated[
        str, typer.Argument(help="The request: what --request-id said, or the decision.", metavar="REQUEST_ID")
    ],
    quality: Annotated[float, typer.Argument(help="0 is useless, 1 is perfect.", metavar="QUALITY")],
    comment: Annotated[str, typer.Option(help="For people; kept with the request.", show_default=False)] = "",
    address: Address = None,
    config: Config = None,
    run_dir: RunDir = None,
) -> None:
    """Say how good an answer was; the mesh learns from it.

    Prints the ability that the model which answered is thought to have from now on. Feedback for the same request again takes the
    place of the first.
    """
    from pointsman.cli.feedback import run_feedback
    from pointsman.cli.target import Whereabouts

    raise SystemExit(run_feedback(request_id, quality, comment, Whereabouts(address, config, run_dir)))


@app.command()
def train(
    source: Annotated[
        Path, typer.Option("--from", help="Your recorded requests, one JSON object a line.", show_default=False)
    ],
    models_dir: Annotated[
        Path | None, typer.Option(help="Folder of the model to start from.", show_default="the shipped model")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the new model.", show_default="classifier-model beside the requests"),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad lines out instead of ending.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write a model even where it does worse than before.")] = False,
) -> None:
    """Adapt the classifier to what came of your own requests.

    Each line holds `prompt` (text) or `messages` (role and content), and one or more of: `intent`; `tier` (small, medium, frontier)
    with `right` (true, false or a number from 0 to 1); `output_tokens`. Exit code 1 where the new model does worse on requests that
    were held out: nothing is written then. Exit code 2 where a line or a model file is wrong.
    """
    from pointsman.cli.train import run_train

    raise SystemExit(run_train(source, models_dir, out, skip_bad=skip_bad, force=force))


@app.command()
def models(address: Address = None, config: Config = None, run_dir: RunDir = None) -> None:
    """List the mesh's models with price, size and live state."""
    from pointsman.cli.models import run_models
    from pointsman.cli.target import Whereabouts

    raise SystemExit(run_models(Whereabouts(address, config, run_dir)))


@app.command()
def top(
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between pictures.", min=0.1, max=60)] = 1.0,
    address: Address = None,
    telemetry: Telemetry = None,
    config: Config = None,
    run_dir: RunDir = None,
) -> None:
    """Watch every model live.

    Requests a second, time to the first token, tokens a second, errors and cost an hour, over telemetry's window. Without a terminal
    it prints one picture.
    """
    from pointsman.cli.target import Whereabouts
    from pointsman.cli.top import run_top

    raise SystemExit(run_top(Whereabouts(address, config, run_dir, telemetry), interval, once=once))


@app.command("check-config")
def check_config(
    file: Annotated[Path, typer.Argument(help="The mesh's YAML file.", show_default=False)],
    live: Annotated[
        bool, typer.Option("--live", help="Also ask the running providers for each configured model.")
    ] = False,
    run_dir: RunDir = None,
) -> None:
    """Tell what is wrong with a file, or what it amounts to.

    Exit code 2 where it is wrong; 1 where --live finds a model that its running provider lacks.
    """
    from pointsman.cli.check_config import run_check_config

    raise SystemExit(run_check_config(file, run_dir, live=live))


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
