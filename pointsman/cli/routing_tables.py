"""What a configuration says of choosing, for `pointsman check-config`: policies, rules, experiments and where prices come from."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pointsman.cli.figures import price, share
from pointsman.cli.policy_words import condition, limits, objective
from pointsman.config.routing_schema import ExperimentKind, ExperimentSection, RuleSection
from pointsman.config.schema import MeshConfig


def routing_tables(mesh: MeshConfig) -> Iterator[RenderableType]:
    """Those that there is something to say in."""
    yield policies_table(mesh)
    if mesh.rules:
        yield rules_table(mesh)
    if mesh.experiments:
        yield experiments_table(mesh.experiments)
    yield prices_view(mesh)


def policies_table(mesh: MeshConfig) -> Table:
    """One row a policy; what a right answer, a second less to the first token and in all, and staying are worth, in US dollars."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("policy", no_wrap=True)
    for title in ("right", "1st s", "second", "stay", "explores"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("looks for", overflow="fold")
    for name, policy in mesh.policies.items():
        worth = (policy.success_value, policy.first_token_value, policy.second_value, policy.stay_bonus)
        sought = Text("; ".join(part for part in (objective(policy), limits(policy)) if part))
        if policy.description:
            sought.append(f"\n{policy.description}", "dim")
        table.add_row(
            f"{name} (default)" if name == mesh.router.default_policy else name,
            *(price(round(dollars * 1e6)) if dollars else "-" for dollars in worth),
            share(policy.explore) if policy.explore else "-",
            sought,
        )
    return table


def rules_table(mesh: MeshConfig) -> Table:
    """One row a rule, in the order in which they are tried, with the models that its patterns mean."""
    table = _table("rule", "when", "then")
    references = [f"{m.provider}/{m.model}" for m in mesh.models]
    for rule in mesh.rules:
        table.add_row(rule.name, condition(rule.when), _effect(rule, references))
    return table


def _effect(rule: RuleSection, references: Sequence[str]) -> RenderableType:
    parts = [f"by policy {rule.policy}"] if rule.policy else []
    if rule.use:
        meant = [r for r in references if any(fnmatchcase(r, pattern) for pattern in rule.use)]
        parts.append(f"{'only' if rule.strict else 'first'} {', '.join(meant)}")
    return "; ".join(parts) or Text("nothing: it names neither a policy nor models", "yellow")


def experiments_table(experiments: Sequence[ExperimentSection]) -> Table:
    """One row an experiment, with what each arm gets."""
    table = _table("experiment", "when", "sends")
    for experiment in experiments:
        arms = ", ".join(f"{part:.1%} to {reference}" for reference, part in experiment.arms.items())
        match experiment.kind:
            case ExperimentKind.SHADOW:
                kept = ", answers kept" if experiment.record_answers else ""
                most = price(round(experiment.max_cost_per_hour * 1e6))
                words = f"a copy: {arms}; at most {most} an hour{kept}"
            case ExperimentKind.SPLIT:
                rest = max(0.0, 1 - sum(experiment.arms.values()))
                words = f"{arms}; {rest:.1%} as ever"
        table.add_row(experiment.name, condition(experiment.when), words)
    return table


def prices_view(mesh: MeshConfig) -> Table:
    """Where prices come from; what comes later wins."""
    own = [f"{m.provider}/{m.model}" for m in mesh.models if m.price is not None]
    listed = [f"{m.provider}/{m.model}" for m in mesh.models if m.price is None]
    prices = mesh.prices
    table = _table("prices from", "of")
    if listed:
        table.add_row("genai-prices", ", ".join(listed))
    if own:
        table.add_row("models: price", ", ".join(own))
    if prices.models:
        table.add_row("prices: models", ", ".join(prices.models))
    watched = f"whatever it names, read every {prices.refresh_s:g} s; alarm at a factor of {prices.alarm_factor:g}"
    for source in (prices.file, prices.url):
        if source is not None:
            table.add_row(str(source), watched)
    return table


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
