"""Requests as an operator records them: questions about bills are extraction, and small models fail at them."""

import json
import random
from pathlib import Path

PEOPLE = ("Anna", "Ravi", "Chen", "Maria", "Tom", "Lena", "Omar", "Yuki", "Pedro", "Ines")
MONTHS = ("January", "March", "June", "August", "October", "December")
BILLING = (
    "Which amount does {person}'s invoice {number} from {month} show?",
    "What is the due date on bill {number} for {person}?",
    "Billing question: why was {person} charged {number} euros in {month}?",
    "How much VAT is on invoice {number} of {month}?",
    "Give me the total and the currency of {person}'s bill {number}.",
    "Which customer number is on the {month} statement for {person}?",
)
OTHERS = {
    "code": "Write a Python function that sorts {number} names like {person} by length.",
    "math": "What is {number} times 17, minus the days of {month}?",
    "creative_writing": "Write a short poem about {person} and the sea in {month}.",
    "translation": "Translate to French: {person} arrives in {month} with {number} friends.",
    "advice": "How can {person} sleep better in {month}?",
    "conversation": "Hi, I am {person}! How are you this {month}?",
}
# None of them among the recorded ones.
NEW_BILLING = (
    "What total does Eva's invoice 771 from April state?",
    "Billing question: which amount was charged on Ben's bill in May?",
    "When is invoice 9 of November due, and how much is it?",
)
NEW_OTHERS = (
    "Refactor this Java class into three smaller ones.",
    "Prove that the square root of two is irrational.",
    "Write a limerick about a lighthouse keeper.",
    "Plan a three-day trip to Rome for two.",
    "Rewrite this to sound polite: send me the file now.",
    "Explain how a heat pump works.",
    "Good morning! Did you sleep well?",
    "Translate into German: the train leaves at noon.",
)


def write_requests(path: Path, rows: int) -> Path:
    """Write a third of billing questions among others."""
    draw = random.Random(0)
    lines = []
    for index in range(rows):
        billing = index % 3 == 0
        intent = "extraction" if billing else draw.choice(list(OTHERS))
        words = {"person": draw.choice(PEOPLE), "month": draw.choice(MONTHS), "number": draw.randint(100, 999)}
        text = (draw.choice(BILLING) if billing else OTHERS[intent]).format(**words)
        tier = draw.choice(["small", "small", "frontier"])
        right = draw.random() < (0.05 if billing and tier == "small" else 0.95)
        tokens = draw.randint(8, 30) if billing else draw.randint(80, 400)
        lines.append({"prompt": text, "intent": intent, "tier": tier, "right": right, "output_tokens": tokens})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
