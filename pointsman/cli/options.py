"""Options that several commands have, as typer reads them. Nothing heavy may be imported here."""

from pathlib import Path
from typing import Annotated

import typer

Address = Annotated[str | None, typer.Option(help="The router, as unix:/path or host:port.", show_default=False)]
Telemetry = Annotated[
    str | None, typer.Option(help="The telemetry service, as unix:/path or host:port.", show_default=False)
]
Config = Annotated[
    Path | None,
    typer.Option(help="The mesh's YAML file, to find its services.", envvar="POINTSMAN_CONFIG", show_default=False),
]
RunDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the mesh's Unix sockets.", envvar="POINTSMAN_RUN_DIR", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

PromptText = Annotated[str, typer.Argument(help="The prompt; - reads it from standard input.", metavar="PROMPT")]
Policy = Annotated[str, typer.Option(help="A policy of the mesh, such as economy.", show_default="the mesh's own")]
Model = Annotated[
    str | None, typer.Option(help="Pin a model, as provider/model.", metavar="PROVIDER/MODEL", show_default=False)
]
System = Annotated[str | None, typer.Option(help="A system prompt.", show_default=False)]
MaxTokens = Annotated[
    int | None, typer.Option(help="Most tokens of the answer.", min=1, max=2**32 - 1, show_default=False)
]
MaxCost = Annotated[
    float | None, typer.Option(help="Most US dollars that the answer may cost.", min=0, show_default=False)
]
# What rules and experiments may look at, and what a session is held together by.
Session = Annotated[
    str, typer.Option(help="Key of the session that this belongs to.", metavar="KEY", show_default=False)
]
Tenant = Annotated[str, typer.Option(help="Who asks, for the mesh's rules.", show_default=False)]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", help="What for, for the mesh's rules; may be repeated.", show_default=False)
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(help="More for the mesh's rules; may be repeated.", metavar="KEY=VALUE", show_default=False),
]
DataClass = Annotated[str, typer.Option(help="How private the prompt is, for the mesh's policies.", show_default=False)]
MaxFirstToken = Annotated[
    float | None,
    typer.Option(help="Only models whose first token comes within these seconds now.", min=0, show_default=False),
]
MinRate = Annotated[
    float | None, typer.Option(help="Only models of so many tokens a second now.", min=0, show_default=False)
]
RequestId = Annotated[
    str,
    typer.Option(help="The request's id, by which experiments and exploration draw.", show_default="a new one"),
]
