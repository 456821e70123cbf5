"""A decision as a person reads it: the choice, what it was made from, and the candidates beside each other."""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pointsman.answer import reference
from pointsman.cli.figures import part, plain, price, rate, seconds, share
from pointsman.cli.policy_words import limits, objective, values
from pointsman.config.routing_schema import PolicySection
from pointsman.router.v1.router_service_pb2 import Candidate, RouteDecision

BAR_WIDTH = 10
# Where fewer calls than this succeed, the candidate's line says so.
RELIABLE = 0.95


def decision_view(decision: RouteDecision, policy: PolicySection | None = None) -> Group:
    """`policy` is what the configuration says of the policy that decided, where that is known."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="dim", justify="right")
    head.add_column(overflow="fold")
    for title, words in _head(decision, policy):
        head.add_row(title, words)
    ranked = [c for c in decision.candidates if c.verdict == Candidate.VERDICT_ELIGIBLE]
    ruled_out = [c for c in decision.candidates if c.verdict != Candidate.VERDICT_ELIGIBLE]
    parts: list[RenderableType] = [head]
    if ranked:
        parts += [Text(), _Candidates(ranked)]
    if ruled_out:
        parts += [Text(), ruled_out_table(ruled_out)]
    return Group(*parts)


def _head(decision: RouteDecision, policy: PolicySection | None) -> Iterator[tuple[str, RenderableType]]:
    judged = decision.classification
    chosen = reference(decision.chosen) if decision.HasField("chosen") else ""
    yield "model", Text(chosen, "bold green") if chosen else Text("none can answer", "bold red")
    yield "why", Text(plain(decision.reason), "bold")
    intents = ", ".join(f"{i.intent} {share(i.probability)}" for i in judged.intents[:3]) or "unknown"
    by_default = " by default: the classifier was silent, late or unsure" if decision.default_complexity else ""
    language = f", language {plain(judged.language_code)}" if judged.language_code else ""
    yield "prompt", f"complexity {judged.complexity:.2f}{by_default}; intent {intents}{language}"
    if judged.HasField("right") and not decision.default_complexity:
        right = judged.right
        tiers = f"small {share(right.small)}, medium {share(right.medium)}, frontier {share(right.frontier)}"
        yield "right", f"{tiers}, by size of model; confidence {judged.confidence:.2f}"
    yield "tokens", f"about {judged.estimated_input_tokens:,} in, {judged.estimated_output_tokens:,} out expected"
    told = f": {objective(policy)}; {values(policy)}" if policy else _worth(decision)
    yield "policy", f"{decision.policy}{told}"
    if policy and (words := limits(policy)):
        yield "limits", words
    if decision.rule:
        yield "rule", Text(plain(decision.rule), "yellow")
    if decision.experiment:
        yield "experiment", Text(plain(decision.experiment), "yellow")
    if 0 < decision.propensity < 1:
        drawn = "drawn to learn about it; " if decision.explored else ""
        yield "chance", Text(f"{drawn}this model comes first for {decision.propensity:.1%} of such requests", "yellow")
    if decision.shadows:
        yield "shadows", f"a copy goes to {', '.join(map(reference, decision.shadows))}"


def _worth(decision: RouteDecision) -> str:
    """What a right answer is worth, as the candidates' figures tell it."""
    for candidate in decision.candidates:
        if candidate.expected_quality > 0 and candidate.quality_value_micros > 0:
            return f": right answer {price(round(candidate.quality_value_micros / candidate.expected_quality))}"
    return ""


class _Candidates:
    """The eligible candidates in one table, or in two where the screen is narrow."""

    def __init__(self, ranked: Sequence[Candidate]) -> None:
        self._ranked = ranked

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("US$ for 1,000 such requests: score = value of right answers - cost - time + stay", "dim")
        widest = options.update(max_width=1_000)
        for tight in (False, True):
            whole = candidates_table(self._ranked, expectations=True, parts=True, tight=tight)
            if Measurement.get(console, widest, whole).maximum <= options.max_width:
                yield whole
                break
        else:
            # What is expected of a candidate, and what its score is made of.
            yield candidates_table(self._ranked, expectations=True, parts=False)
            yield Text()
            yield candidates_table(self._ranked, expectations=False, parts=True)
        for candidate in self._ranked:
            if words := _note(candidate):
                yield Text(f"{reference(candidate.model)}: {words}", "yellow")


def candidates_table(ranked: Sequence[Candidate], *, expectations: bool, parts: bool, tight: bool = True) -> Table:
    """One row a candidate, in the order in which they would be tried; money for 1,000 such requests."""
    table = Table(box=None, pad_edge=False, header_style="dim", collapse_padding=tight)
    table.add_column("", justify="right")
    table.add_column("model", overflow="fold", min_width=12)
    by_chance = expectations and any(0 < c.propensity < 1 for c in ranked)
    stays = any(c.stay_bonus_micros for c in ranked)
    titles = ["right", "ability", "first", "tok/s"] if expectations else []
    titles += ["chance"] if by_chance else []
    titles += ["value", "- cost", "- time", *(["+ stay"] if stays else []), "= score"] if parts else ["cost"]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    if parts:
        table.add_column("", no_wrap=True)
    best = max(c.score for c in ranked)
    for rank, c in enumerate(ranked, start=1):
        row: list[str | Text] = [str(rank), reference(c.model)]
        if expectations:
            row += [share(c.expected_quality), f"{c.ability:.2f} ±{c.ability_deviation:.2f}"]
            row += [seconds(c.expected_first_token_seconds), rate(c.expected_tokens_per_second)]
        if by_chance:
            row.append(part(c.propensity))
        if parts:
            stay = [_thousand(c.stay_bonus_micros)] if stays else []
            row += [_thousand(c.quality_value_micros), _thousand(_cost(c)), _thousand(c.time_cost_micros), *stay]
            row += [_thousand(c.score), _bar(c.score, best)]
        else:
            row.append(_thousand(c.expected_cost_micros))
        table.add_row(*row, style="bold green" if rank == 1 else "")
    return table


def _cost(candidate: Candidate) -> float:
    """The cost that the score counts: not rounded up to whole micros."""
    value = candidate.quality_value_micros - candidate.time_cost_micros + candidate.stay_bonus_micros
    return max(0.0, value - candidate.score)


def _thousand(micros: float) -> str:
    """Micros of a dollar for one request as dollars for a thousand: 0.052, 1.35, 18.9, 950."""
    dollars = micros / 1e3
    size = abs(dollars)
    digits = 0 if size >= 100 or size < 0.0005 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{dollars:,.{digits}f}"


def _bar(score: float, best: float) -> Text:
    """How much of the best score; nothing for a score that is no gain."""
    share_of_best = max(0.0, score / best) if best > 0 else 0.0
    eighths = round(share_of_best * BAR_WIDTH * 8)
    return Text("█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip())


def _note(candidate: Candidate) -> str:
    parts = [plain(candidate.detail)] if candidate.detail else []
    if 0 < candidate.reliability < RELIABLE:
        parts.append(f"{share(candidate.reliability)} of its calls are expected to succeed")
    if candidate.cached_input_tokens:
        parts.append(f"{candidate.cached_input_tokens:,} input tokens are in its cache")
    return ", ".join(parts)


def ruled_out_table(ruled_out: Sequence[Candidate]) -> Table:
    """One row a model that may not answer, with the reason in words."""
    table = Table(box=None, pad_edge=False, header_style="dim", style="dim")
    table.add_column("ruled out", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("detail", overflow="fold")
    for candidate in ruled_out:
        table.add_row(reference(candidate.model), _verdict(candidate), plain(candidate.detail))
    return table


def _verdict(candidate: Candidate) -> str:
    # A newer router may have verdicts that this client does not know.
    if candidate.verdict not in Candidate.Verdict.values():
        return f"verdict {candidate.verdict}"
    return Candidate.Verdict.Name(candidate.verdict).removeprefix("VERDICT_").lower().replace("_", " ")
