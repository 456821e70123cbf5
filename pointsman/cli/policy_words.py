"""A policy's section of the configuration in words and figures."""

from pointsman.cli.figures import price, seconds, share
from pointsman.config.routing_schema import Objective, PolicySection, WhenSection


def objective(policy: PolicySection) -> str:
    """What it looks for."""
    bar = quality_bar(policy)
    match policy.objective:
        case Objective.CHEAPEST:
            return f"cheapest that is right at {bar}" if bar else "cheapest"
        case Objective.UTILITY:
            return f"highest score, of those right at {bar}" if bar else "highest score"


def quality_bar(policy: PolicySection) -> str:
    """The quality bar; empty where there is none."""
    least = share(policy.min_quality) if policy.min_quality else ""
    of_best = f"{share(policy.min_quality_share)} of the best" if policy.min_quality_share else ""
    return " and ".join(part for part in (least, of_best) if part)


def values(policy: PolicySection) -> str:
    """What a right answer, time and staying are worth."""
    parts = [f"right answer {price(round(policy.success_value * 1e6))}"]
    if policy.first_token_value:
        parts.append(f"second to the first token {price(round(policy.first_token_value * 1e6))}")
    if policy.second_value:
        parts.append(f"second {price(round(policy.second_value * 1e6))}")
    if policy.stay_bonus:
        parts.append(f"staying {price(round(policy.stay_bonus * 1e6))}")
    return ", ".join(parts)


def limits(policy: PolicySection) -> str:
    """What rules models out; empty where nothing does."""
    parts = []
    if policy.allow:
        parts.append(f"only {' '.join(policy.allow)}")
    if policy.deny:
        parts.append(f"not {' '.join(policy.deny)}")
    if policy.max_cost is not None:
        parts.append(f"at most {price(round(policy.max_cost * 1e6))}")
    if policy.max_first_token_s is not None:
        parts.append(f"first token within {seconds(policy.max_first_token_s)}")
    if policy.min_tokens_per_second is not None:
        parts.append(f"at least {policy.min_tokens_per_second:g} tokens/s")
    if policy.residency:
        parts.append(f"in {' or '.join(sorted(policy.residency))}")
    if "*" in policy.self_hosted_for:
        parts.append("self-hosted")
    elif policy.self_hosted_for:
        parts.append(f"{' and '.join(sorted(policy.self_hosted_for))} prompts self-hosted")
    return ", ".join(parts)


def condition(when: WhenSection) -> str:
    """Which requests a rule or an experiment is for."""
    sets = {
        "intent": when.intents,
        "tag": when.tags,
        "tenant": when.tenants,
        "data class": when.data_classes,
        "route": when.routes,
        "language": when.languages,
        "policy": when.policies,
    }
    parts = [f"{name} {' or '.join(sorted(some))}" for name, some in sets.items() if some]
    parts += [f"{key} {'given' if value == '*' else f'is {value}'}" for key, value in when.metadata.items()]
    parts += _between("input tokens", when.min_input_tokens, when.max_input_tokens)
    parts += _between("complexity", when.min_complexity, when.max_complexity)
    return ", ".join(parts) or "every request"


def _between(name: str, least: float | None, most: float | None) -> list[str]:
    if least is not None and most is not None:
        return [f"{name} {least:g} to {most:g}"]
    if least is not None:
        return [f"{name} from {least:g}"]
    return [f"{name} up to {most:g}"] if most is not None else []
