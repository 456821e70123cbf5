"""Turns a prompt into the one text that a model was trained to read, by the model's own Jinja2 template.

The variables are those that published templates expect (`messages` of `role` and `content`, `add_generation_prompt`); the
sandbox keeps a template from anything but that. What users write cannot pose as the template's own marks:
a mark such as `<|end|>` in a message is broken up before it is rendered.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import NoReturn, Self

from jinja2 import DictLoader, Template, TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pointsman.errors import InvalidRequest
from pointsman.llm.v1.prompt_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_USER, Prompt, Turn

ROLES = {ROLE_SYSTEM: "system", ROLE_USER: "user", ROLE_ASSISTANT: "assistant"}
# Special tokens of the model families in use: <|end|>, <start_of_turn>, [INST], <<SYS>>, </s>. The first kind
# is always guarded, since templates often put it together from parts; the others where the template names them.
_ALWAYS_A_MARK = r"<[|\uff5c][^<>|\uff5c\s]{1,40}[|\uff5c]>"  # some families use the full-width bar
_MARK_IF_NAMED = r"</?\w+_of_\w+>|\[/?[A-Z_]+\]|<</?SYS>>|</?s>"


class TemplateInvalid(ValueError):
    """The template itself is at fault: an operator's matter."""


class ChatTemplate:
    """One model's template, compiled."""

    def __init__(self, source: str) -> None:
        """Compiles Jinja2 text; raises TemplateInvalid."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], loader=DictLoader({})
        )
        environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        try:
            self._template: Template = environment.from_string(source)
        except TemplateError as error:
            raise TemplateInvalid(f"expected Jinja2: {error}") from error
        named = sorted(set(re.findall(_MARK_IF_NAMED, source)))
        self._marks = re.compile("|".join([_ALWAYS_A_MARK, *map(re.escape, named)]))

    @classmethod
    def read(cls, text_or_file: str, folder: Path) -> Self:
        """Takes Jinja2 text, or the path of a file of it relative to `folder`; raises TemplateInvalid."""
        if "{" in text_or_file:
            return cls(text_or_file)
        path = folder / text_or_file
        try:
            return cls(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateInvalid(f"expected a readable template file, found {path}: {error}") from error

    def render(self, prompt: Prompt, answer_prefix: str = "") -> str:
        """Text for the model, up to where the answer begins; with a prefix, up to where it goes on.

        Raises InvalidRequest for turns that plain text cannot carry or that the template refuses.
        """
        messages = [self._message(turn, f"prompt.turns[{index}]") for index, turn in enumerate(prompt.turns)]
        try:
            text = self._template.render(
                messages=messages, add_generation_prompt=True, tools=None, bos_token="", eos_token=""
            )
        except TemplateError as error:
            raise InvalidRequest.of("prompt.turns", f"the model's chat template refused them: {error}") from error
        return text + self._disarm(answer_prefix)

    def _message(self, turn: Turn, field: str) -> dict[str, str]:
        role = ROLES.get(turn.role)
        if role is None:
            raise InvalidRequest.of(f"{field}.role", "expected ROLE_SYSTEM, ROLE_USER or ROLE_ASSISTANT for this model")
        for index, part in enumerate(turn.parts):
            if part.WhichOneof("part") != "text":
                raise InvalidRequest.of(f"{field}.parts[{index}]", "expected text; this model takes nothing else")
        return {"role": role, "content": self._disarm("".join(part.text for part in turn.parts))}

    def _disarm(self, text: str) -> str:
        return self._marks.sub(lambda mark: f"{mark[0][0]} {mark[0][1:]}", text)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
