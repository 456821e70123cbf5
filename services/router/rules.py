"""Which requests a rule or an experiment is for, and what a rule does. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class Traits:
    """What rules may look at: who asks and what for, and what the classifier thinks of the prompt."""

    intent: str = ""
    complexity: float = 0.0
    input_tokens: int = 0
    language: str = ""
    routes: frozenset[str] = frozenset()
    policy: str = ""
    tenant: str = ""
    tags: frozenset[str] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)
    data_class: str = ""


@dataclass(frozen=True, slots=True)
class When:
    """A condition: every part that is given must hold, of a set any member. `metadata` values may be `*`."""

    intents: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)
    data_classes: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()
    min_input_tokens: int = 0
    max_input_tokens: int | None = None
    min_complexity: float = 0.0
    max_complexity: float = 1.0

    def holds(self, traits: Traits) -> bool:
        """Whether a request has these traits."""
        return (
            (not self.intents or traits.intent in self.intents)
            and (not self.tags or not self.tags.isdisjoint(traits.tags))
            and (not self.tenants or traits.tenant in self.tenants)
            and (not self.data_classes or traits.data_class in self.data_classes)
            and (not self.routes or not self.routes.isdisjoint(traits.routes))
            and (not self.languages or traits.language in self.languages)
            and (not self.policies or traits.policy in self.policies)
            and traits.input_tokens >= self.min_input_tokens
            and (self.max_input_tokens is None or traits.input_tokens <= self.max_input_tokens)
            and self.min_complexity <= traits.complexity <= self.max_complexity
            and all(self._has(name, value, traits) for name, value in self.metadata.items())
        )

    @staticmethod
    def _has(name: str, value: str, traits: Traits) -> bool:
        return name in traits.metadata if value == "*" else traits.metadata.get(name) == value


@dataclass(frozen=True, slots=True)
class Rule:
    """`policy` takes the place of the asked one where it is given; `preferred` come before all others, or alone where `strict`.

    `preferred` are references, `provider/model`; None where the rule prefers none.
    """

    name: str
    when: When
    policy: str = ""
    preferred: frozenset[str] | None = None
    strict: bool = False


class _Conditional(Protocol):
    @property
    def when(self) -> When: ...


C = TypeVar("C", bound=_Conditional)


def first(conditionals: Iterable[C], traits: Traits) -> C | None:
    """The first whose condition holds."""
    return next((c for c in conditionals if c.when.holds(traits)), None)
