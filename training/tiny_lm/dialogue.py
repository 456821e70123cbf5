"""Writes the synthetic dialogues that teach the tiny model to answer in a chat.

A dialogue is a list of (role, text) pairs. Everything is drawn from `facts.toml` and a seeded random source,
so a seed always gives the same dialogues.
"""

import random
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

Dialogue = list[tuple[str, str]]
Exchange = tuple[str, str]

FACTS = tomllib.loads((Path(__file__).parent / "facts.toml").read_text(encoding="utf-8"))
WORDS: dict[str, list[str]] = FACTS["words"]
CITIES: list[str] = list(FACTS["capitals"].values())
STOP_WORDS = frozenset(WORDS["stop"])


def _fill(rng: random.Random, forms: Sequence[str], **values: object) -> str:
    """One of several ways to say the same."""
    return rng.choice(forms).format(**values)


def _as_typed(rng: random.Random, text: str) -> str:
    """Varies how people type: case, politeness, a missing question mark."""
    roll = rng.random()
    if roll < 0.12:
        return text.lower()
    if roll < 0.22:
        return text.rstrip("?.!")
    if roll < 0.32 and text[0].isupper():
        return f"Please {text[0].lower()}{text[1:]}" if not text.endswith("?") else f"Quick question: {text}"
    return text


def _translation(rng: random.Random) -> Exchange:
    language = rng.choice(list(FACTS["translations"]))
    text, answer = rng.choice(list(FACTS["translations"][language].items()))
    asked = [
        'How do you say "{text}" in {language}?', 'Translate "{text}" to {language}.', "Translate {text} into {language}",
        'What is "{text}" in {language}?', "Translate '{text}' to {language}", "How do I say '{text}' in {language}?",
        "Translate to {language}: {text}",
    ]  # fmt: skip
    question = _fill(rng, asked, text=text, language=language)
    answers = ['"{text}" in {language} is "{answer}".', 'In {language}, "{text}" is "{answer}".']
    return question, _fill(rng, answers, text=text, language=language, answer=answer)


def _capital(rng: random.Random) -> Exchange:
    country, city = rng.choice(list(FACTS["capitals"].items()))
    asked = ["What is the capital of {0}?", "Name the capital of {0}.", "Which city is the capital of {0}?"]
    return rng.choice(asked).format(country), f"The capital of {country} is {city}."


def _opposite(rng: random.Random) -> Exchange:
    pair = list(rng.choice(list(FACTS["opposites"].items())))
    rng.shuffle(pair)
    asked = ["What is the opposite of {0}?", 'Give me an antonym of "{0}".', "Opposite of {0}?"]
    return rng.choice(asked).format(pair[0]), f"The opposite of {pair[0]} is {pair[1]}."


def _symbol(rng: random.Random) -> Exchange:
    element, symbol = rng.choice(list(FACTS["symbols"].items()))
    asked = ["What is the chemical symbol of {0}?", "Which symbol stands for {0}?"]
    return rng.choice(asked).format(element), f"The chemical symbol of {element} is {symbol}."


def _question(rng: random.Random) -> Exchange:
    asked: list[Exchange] = list(FACTS["questions"].items())
    return rng.choice(asked)


def _identity(rng: random.Random) -> Exchange:
    asked: list[Exchange] = list(FACTS["identity"].items())
    return rng.choice(asked)


def _sum(rng: random.Random) -> Exchange:
    a, b = rng.randint(0, 20), rng.randint(0, 20)
    sign, word = rng.choice([("+", "plus"), ("+", "plus"), ("-", "minus"), ("*", "times")])
    if sign == "*":
        a, b = a % 11, b % 11
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    asked = [
        "What is {a} {sign} {b}?", "How much is {a} {word} {b}?", "What is {a} {word} {b}?", "{a} {sign} {b}",
        "Calculate {a} {sign} {b}.", "{a}{sign}{b}=?",
    ]  # fmt: skip
    question = _fill(rng, asked, a=a, b=b, sign=sign, word=word)
    answers = ["{a} {word} {b} is {result}.", "{a} {sign} {b} = {result}"]
    return question, _fill(rng, answers, a=a, b=b, sign=sign, word=word, result=result)


def _explain(rng: random.Random) -> Exchange:
    topic, sentences = rng.choice(list(FACTS["explanations"].items()))
    asked = [
        "Explain {0}.", "What is {0}?", "Explain {0} in simple terms.", "How does {0} work?", "Tell me about {0}.",
        "Explain {0} to a child.", "Can you explain {0}?", "Describe {0} in a few sentences.", "Give me a short summary of {0}.",
    ]  # fmt: skip
    question = rng.choice(asked).format(topic)
    if rng.random() < 0.1:
        return f"{question.rstrip('.?')} in one sentence.", sentences[0]
    return question, rng.choice(["", "", "In short: ", "Gladly. "]) + " ".join(sentences)


def _tips(rng: random.Random) -> Exchange:
    topic, tips = rng.choice(list(FACTS["tips"].items()))
    count = rng.randint(2, len(tips))
    word = ["zero", "one", "two", "three", "four"][count]
    asked = [
        "Give me {0} tips for {1}.", "What are {0} tips for {1}?", "List {0} ideas for {1}", "I need {0} tips for {1}.",
    ]  # fmt: skip
    lines = "\n".join(f"{i}. {tip}" for i, tip in enumerate(rng.sample(tips, count), 1))
    return rng.choice(asked).format(
        rng.choice([word, str(count)]), topic
    ), f"Here are {word} tips for {topic}:\n{lines}"


def _list(rng: random.Random) -> Exchange:
    topic, items = rng.choice(list(FACTS["lists"].items()))
    asked = ["List the {0}.", "Name some {0}.", "What are the {0}?", "Give me a list of {0}."]
    answer = "\n".join(f"- {item}" for item in items) if rng.random() < 0.5 else ", ".join(items) + "."
    return rng.choice(asked).format(topic), answer


def _code(rng: random.Random) -> Exchange:
    task, code = rng.choice(list(FACTS["code"].items()))
    asked = [
        "Write a Python function that {0}.", "Implement a function in Python that {0}.", "Show me Python code that {0}.",
        "Create a Python function that {0}",
    ]  # fmt: skip
    return rng.choice(asked).format(task), f"Here is a Python function that {task}:\n```python\n{code}\n```"


def _extract(rng: random.Random) -> Exchange:
    name, city, age = rng.choice(WORDS["names"]), rng.choice(CITIES), rng.randint(18, 70)
    question = f"Extract the name, age and city as JSON: {name} is {age} years old and lives in {city}."
    return question, f'{{"name": "{name}", "age": {age}, "city": "{city}"}}'


def _sentiment(rng: random.Random) -> Exchange:
    kind = rng.choice(["good", "bad"])
    asked = ["Is this review positive or negative? {0}", "What is the sentiment? {0}", "Classify the review: {0}"]
    review = f"The {rng.choice(WORDS['items'])} was {rng.choice(WORDS[kind])}."
    return rng.choice(asked).format(review), f"The review is {'positive' if kind == 'good' else 'negative'}."


def _letter(rng: random.Random) -> Exchange:
    name, thing = rng.choice(WORDS["names"]), rng.choice(WORDS["things"])
    if rng.random() < 0.5:
        return f"Make this polite: Send me the {thing}.", f"Could you please send me the {thing}? Thank you."
    body = f"I am writing about the {thing}. Could you look at it this week and tell me what you think?"
    return (
        f"Write a short email to {name} about the {thing}.",
        f"Subject: The {thing}\n\nDear {name},\n\n{body}\n\nKind regards",
    )


def _copy(rng: random.Random) -> Exchange:
    """Questions about what the prompt itself says, over many different words."""
    name, city, job = rng.choice(WORDS["names"]), rng.choice(CITIES), rng.choice(WORDS["jobs"])
    number = rng.randint(2, 9999)
    lists = [word for words in FACTS["lists"].values() for word in words]
    material = [*WORDS["things"], *WORDS["creatures"], *WORDS["jobs"], *WORDS["names"], *CITIES, *lists]
    some = rng.sample(material, rng.randint(2, 6))
    return rng.choice(
        [
            (f"My name is {name}. What is my name?", f"Your name is {name}."),
            (f"I am {name}, a {job} from {city}. Greet me.", f"Hello {name}. How is the life of a {job} in {city}?"),
            (f"Remember the number {number}. Which number was it?", f"The number was {number}."),
            (f"What is the first word of this list: {', '.join(some)}?", f"The first word is {some[0]}."),
            (f"What is the last word of this list: {', '.join(some)}?", f"The last word is {some[-1]}."),
            (f"Turn this into a bullet list: {', '.join(some)}", "\n".join(f"- {word}" for word in some)),
            (f"Repeat these words: {' '.join(some)}", " ".join(some)),
            (f'Say "{" ".join(some)}" and nothing else.', " ".join(some)),
            (f"{name} is a {job} in {city}. Who is {name}?", f"{name} is a {job} in {city}."),
            (f"Where does {name} live? {name} is a {job} and lives in {city}.", f"{name} lives in {city}."),
        ]
    )


def _story(rng: random.Random) -> Exchange:
    creature, friend = rng.choice(WORDS["creatures"]), rng.choice(WORDS["creatures"])
    name, place = rng.choice(WORDS["names"]), rng.choice(WORDS["places"])
    asked = ["Tell me a story about a {0}.", "Write a short story about a {0}.", "Write a story with a {0} in it"]
    middle = _fill(rng, FACTS["stories"]["middles"], name=name, friend=friend)
    opening = f"Once upon a time there was a {creature} named {name} who lived in {place}."
    return rng.choice(asked).format(creature), f"{opening} {middle} {rng.choice(FACTS['stories']['ends'])}"


def _verse(rng: random.Random) -> Exchange:
    kind, word = rng.choice([("poems", "poem"), ("poems", "poem"), ("haikus", "haiku")])
    topic, lines = rng.choice(list(FACTS[kind].items()))
    asked = ["Write a {0} about {1}.", "Write a short {0} about {1}", "A {0} about {1}, please."]
    return rng.choice(asked).format(word, topic), "\n".join(lines)


# Each with how often it comes up.
WRITERS: dict[Callable[[random.Random], Exchange], int] = {
    _capital: 2, _opposite: 1, _symbol: 1, _translation: 2, _question: 3, _identity: 3, _sum: 5, _explain: 7, _tips: 4,
    _list: 2, _code: 4, _extract: 1, _sentiment: 1, _letter: 2, _copy: 10, _story: 3, _verse: 3,
}  # fmt: skip


def synthetic(rng: random.Random) -> Dialogue:
    """One dialogue of one to three exchanges, sometimes under a system text."""
    dialogue: Dialogue = [("system", rng.choice(WORDS["system"]))] if rng.random() < 0.3 else []
    for _ in range(rng.choices([1, 2, 3], [7, 2, 1])[0]):
        (writer,) = rng.choices(list(WRITERS), list(WRITERS.values()))
        question, answer = writer(rng)
        dialogue += [("user", _as_typed(rng, question)), ("assistant", answer)]
    return dialogue


def topic_of(prompt: str) -> str:
    """The phrase that a prompt seems to be about: its longest run of words that are no stop words, near the start."""
    runs: list[list[str]] = []
    run: list[str] = []
    for word in re.findall(r"[A-Za-z][A-Za-z'-]*|[.,:;?!\n]", prompt[:240]):
        if word.isalpha() and word.lower() not in STOP_WORDS and len(run) < 3:
            run.append(word)
        else:
            runs.append(run)
            run = []
    best = max([*runs, run], key=lambda words: sum(map(len, words)))
    return " ".join(best) or "this"


def about_prompt(rng: random.Random, prompt: str) -> Dialogue:
    """An honest outline, or its first sentence, as the answer to a real prompt, whose true answer nobody gave us."""
    topic = topic_of(prompt)
    roll = rng.random()
    if roll < 0.25:
        first = re.split(r"(?<=[.!?])\s|\n", prompt.strip(), maxsplit=1)[0][:160]
        return [("user", f"Summarize this in one sentence: {prompt}"), ("assistant", first)]
    if roll < 0.35:
        return [("user", f"What is this about? {prompt}"), ("assistant", f"This is about {topic}.")]
    parts = FACTS["outline"]
    steps = rng.sample(parts["steps"], rng.randint(2, 4))
    lines = [rng.choice(parts["openings"]), *(f"{i}. {step}" for i, step in enumerate(steps, 1))]
    answer = "\n".join(lines) + rng.choice(parts["closings"])

    return [("user", prompt), ("assistant", answer.replace("{topic}", topic))]
