"""What tiny-chat is trained on: repeatable, in the form that the shipped template gives, and weighted as meant."""

import itertools
import random
from pathlib import Path

from tokenizers import Tokenizer

from pointsman.llm.v1.prompt_pb2 import Prompt
from services.providers.chat_template import ChatTemplate
from training.tiny_lm import corpus
from training.tiny_lm.dialogue import about_prompt, synthetic, topic_of

TRITON = Path(__file__).resolve().parents[3] / "deploy" / "triton"
TOKENIZER = Tokenizer.from_file(str(TRITON / "model_repository_cpu" / "tiny-chat" / "1" / "tokenizer.json"))


def test_a_seed_gives_the_same_dialogues() -> None:
    first, again, other = ([synthetic(random.Random(seed)) for _ in range(50)] for seed in (1, 1, 2))
    assert first == again != other


def test_every_dialogue_has_questions_and_answers_in_turn() -> None:
    rng = random.Random(3)
    for dialogue in (synthetic(rng) for _ in range(500)):
        roles = [role for role, _ in dialogue if role != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert all(text and "{" not in text.replace('{"name"', "") for _, text in dialogue)


def test_training_text_is_what_the_template_renders() -> None:
    dialogue = synthetic(random.Random(5))
    turns = [{"role": f"ROLE_{role.upper()}", "parts": [{"text": text}]} for role, text in dialogue]
    template = ChatTemplate.read(str(TRITON / "chat_template.jinja"), Path("/"))
    assert template.render(Prompt(turns=turns)) == corpus.render(dialogue) + "<|assistant|>"


def test_ids_are_those_of_the_rendered_text_and_answers_count_in_full() -> None:
    dialogue = [("user", "Hi"), ("assistant", "Hello.")]
    ids, weights = corpus.encode_dialogue(TOKENIZER, dialogue)
    assert ids == TOKENIZER.encode(corpus.render(dialogue)).ids
    answer = ids.index(corpus.special_id(TOKENIZER, "<|assistant|>"))
    assert set(weights[answer + 1 :]) == {1.0}
    assert max(weights[: answer + 1]) == corpus.READ_WEIGHT


def test_rows_are_full_and_begin_with_a_document() -> None:
    documents = itertools.cycle([([7] * 5, [1.0] * 5), ([8] * 3, [0.5] * 3)])
    ids, weights = corpus.pack(documents, rows=2, length=6)
    assert ids.tolist() == [[7, 7, 7, 7, 7, 8, 8], [7, 7, 7, 7, 7, 8, 8]]
    assert weights[0].tolist() == [1.0] * 5 + [0.5] * 2


def test_the_topic_is_the_longest_run_of_telling_words() -> None:
    assert topic_of("What is it that makes a quantum field theory so hard?") == "quantum field theory"
    assert topic_of("Why?") == "this"
    prompt = "Sort {topic} and {x}."
    assert about_prompt(random.Random(0), prompt)[0][1].endswith(prompt)


def test_any_text_comes_back_from_the_tokenizer() -> None:
    for text in ("Hello, world!", "Größe 12 kg", "日本語 🚂", "\t\n  x"):
        assert TOKENIZER.decode(TOKENIZER.encode(text).ids) == text
