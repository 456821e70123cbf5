"""What is assumed where nobody measured: chances of a right answer, and how long answers get.

These are judgements, not data. They keep the model sane on ordinary prompts, for which no public outcome data lies
here, and enter training with a small weight. The model card says so.
"""

# Chance of a right answer by a small (7-9B), a medium (about 50B) and a frontier model, where no outcome is recorded.
ASSUMED_RIGHT: dict[str, tuple[float, float, float]] = {
    "conversation/easy": (0.97, 0.98, 0.99),
    "translation/easy": (0.88, 0.93, 0.97),
    "rewriting/easy": (0.92, 0.95, 0.98),
    "summarization/easy": (0.90, 0.94, 0.97),
    "extraction/easy": (0.90, 0.94, 0.98),
    "classification/easy": (0.90, 0.93, 0.96),
    "functional_writing/easy": (0.90, 0.94, 0.97),
    "creative_writing/easy": (0.87, 0.91, 0.95),
    "advice/easy": (0.88, 0.92, 0.95),
    "question_answering/easy": (0.85, 0.91, 0.96),
    "grounded_qa/easy": (0.88, 0.93, 0.97),
    "code/easy": (0.82, 0.90, 0.96),
    "code/hard": (0.12, 0.30, 0.70),
    "math/easy": (0.90, 0.95, 0.98),
    "math/hard": (0.12, 0.30, 0.72),
    "reasoning/medium": (0.50, 0.68, 0.88),
    "bbh": (0.50, 0.66, 0.86),
    "arena-hard": (0.25, 0.45, 0.80),
    "p3": (0.85, 0.91, 0.95),
    "gpteacher": (0.85, 0.91, 0.96),
    "self-instruct": (0.82, 0.89, 0.95),
}
ASSUMED_WEIGHT = 0.15

# Median answer length in tokens as a + b * (tokens of the prompt), by intent, and the deviation of its logarithm.
OUTPUT_TOKENS: dict[str, tuple[float, float, float]] = {
    "code": (380, 0.35, 0.9),
    "math": (320, 0.3, 0.7),
    "reasoning": (260, 0.3, 0.8),
    "creative_writing": (420, 0.1, 0.7),
    "functional_writing": (380, 0.2, 0.6),
    "summarization": (90, 0.08, 0.7),
    "rewriting": (30, 0.95, 0.5),
    "translation": (15, 1.0, 0.4),
    "extraction": (60, 0.15, 0.9),
    "classification": (25, 0.01, 1.0),
    "grounded_qa": (70, 0.03, 0.9),
    "question_answering": (190, 0.1, 0.9),
    "advice": (380, 0.1, 0.6),
    "conversation": (50, 0.1, 0.8),
}
