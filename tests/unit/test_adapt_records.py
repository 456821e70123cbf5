"""An operator's records are read strictly: what is wrong is named by line and field, and never quoted."""

import hashlib
from pathlib import Path

import pytest

from training.adapt.records import RecordsError, read_records

TAXONOMY = ["code", "extraction"]
GOOD = '{"prompt": "Secret words", "intent": "code"}'


def write(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "requests.jsonl"
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines) + b"\n")
    return path


def test_every_kind_of_outcome_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        GOOD,
        '{"prompt": "Secret words", "tier": "small", "right": true}',
        "",
        '{"prompt": "Secret words", "tier": "frontier", "right": 0.25, "output_tokens": 17, "intent": "extraction"}',
        '{"prompt": "Secret words", "tier": "medium", "right": 0}',
    )
    found = read_records(path, TAXONOMY, skip_bad=False)
    assert [(r.intent, r.tier, r.right, r.output_tokens) for r in found.rows] == [
        (0, None, None, None),
        (None, 0, 1.0, None),
        (1, 2, 0.25, 17),
        (None, 1, 0.0, None),
    ]
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.bad_lines == 0


def test_a_conversation_is_read_as_the_service_reads_it(tmp_path: Path) -> None:
    line = (
        '{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Sort these words please, all"},'
        ' {"role": "assistant", "content": "Done."}, {"role": "user", "content": "and now?"}], "intent": "code"}'
    )
    (row,) = read_records(write(tmp_path, line), TAXONOMY, skip_bad=False).rows
    assert row.text.judged == "System: Be brief.\n\nSort these words please, all\nand now?"
    assert row.text.counted == "Done."


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "expected one JSON object a line"),
        (b'{"prompt": "caf\xe9", "intent": "code"}', "expected one JSON object a line, in UTF-8"),
        ('"Secret words"', "expected a JSON object"),
        ('["Secret words"]', "expected a JSON object"),
        ('{"intent": "code"}', "expected either `prompt` or `messages`"),
        (
            '{"prompt": "Secret words", "messages": [{"role": "user", "content": "Secret words"}], "intent": "code"}',
            "expected either",
        ),
        ('{"prompt": "", "intent": "code"}', "prompt: expected text"),
        ('{"prompt": 7, "intent": "code"}', "prompt: expected text"),
        ('{"messages": [], "intent": "code"}', "messages: expected a list"),
        ('{"messages": [{"role": "robot", "content": "Secret words"}], "intent": "code"}', "messages.0.role: expected"),
        ('{"messages": [{"role": "user", "content": null}], "intent": "code"}', "messages.0.content: expected"),
        (
            '{"messages": [{"role": "system", "content": "Secret words"}], "intent": "code"}',
            "messages: expected at least",
        ),
        ('{"prompt": "Secret words", "intent": "billing"}', "intent: expected one of code, extraction"),
        ('{"prompt": "Secret words", "tier": "small"}', "right: expected beside `tier`"),
        ('{"prompt": "Secret words", "right": true}', "tier: expected beside `right`"),
        ('{"prompt": "Secret words", "tier": "huge", "right": true}', "tier: expected small, medium or frontier"),
        ('{"prompt": "Secret words", "tier": "small", "right": 1.5}', "right: expected true, false or a number"),
        ('{"prompt": "Secret words", "tier": "small", "right": "yes"}', "right: expected true, false or a number"),
        ('{"prompt": "Secret words", "tier": "small", "right": NaN}', "right: expected true, false or a number"),
        ('{"prompt": "Secret words", "output_tokens": 0}', "output_tokens: expected a whole number"),
        ('{"prompt": "Secret words", "output_tokens": 1.5}', "output_tokens: expected a whole number"),
        ('{"prompt": "Secret words", "output_tokens": "12"}', "output_tokens: expected a whole number"),
        ('{"prompt": "Secret words"}', "expected at least one of `intent`"),
        ('{"prompt": "Secret words", "intent": "code", "output_token": 3}', "output_token: unknown; expected prompt,"),
    ],
)
def test_a_bad_line_is_named_with_its_field(tmp_path: Path, line: str | bytes, told: str) -> None:
    path = write(tmp_path, GOOD, line, GOOD)
    with pytest.raises(RecordsError) as raised:
        read_records(path, TAXONOMY, skip_bad=False)
    assert str(raised.value).startswith(f"{path}:2: ")
    assert told in str(raised.value)
    assert "Secret" not in str(raised.value)


def test_bad_lines_can_be_left_out_and_are_counted(tmp_path: Path) -> None:
    told: list[str] = []
    path = write(tmp_path, "{", GOOD, '{"prompt": "a"}')
    found = read_records(path, TAXONOMY, skip_bad=True, on_bad=told.append)
    assert (len(found.rows), found.bad_lines) == (1, 2)
    assert [message.split(": ")[0] for message in told] == [f"{path}:1", f"{path}:3"]


@pytest.mark.parametrize("lines", [[], ["", " "], ["{"]], ids=["empty", "blank", "all-bad"])
def test_a_file_without_a_good_line_is_refused(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(RecordsError, match="expected at least one good line"):
        read_records(write(tmp_path, *lines), TAXONOMY, skip_bad=True)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"none\.jsonl: expected a readable file"):
        read_records(tmp_path / "none.jsonl", TAXONOMY, skip_bad=False)
