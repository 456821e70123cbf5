"""Roughs prompts up as people and programs do, so that a route does not hang on a typo or on good manners."""

import random

from services.classifier.composition import compose

_OPENINGS = (
    "Hello! ", "Hi there, ", "Could you please help me with the following? ", "Please answer this: ",
    "I would be grateful for your help with this.\n\n", "Hey, can you help me out? ", "Kindly assist: ",
    "Good morning. I hope you are well. ", "Please ", "I was wondering about this. ", "Sorry to bother you, but ",
)  # fmt: skip
_CLOSINGS = (
    " Thank you!", " Thanks in advance.", "\n\nThank you very much for your help.", " I appreciate it.", " Cheers!",
    " Please.", " Many thanks, I really appreciate your time.", "\nBest regards", "", "", "",
)  # fmt: skip
_SYSTEMS = (
    "You are a helpful assistant.", "You are a helpful, respectful and honest assistant.",
    "Answer concisely and in the language of the user.", "You are {name}, the assistant of {company}. Be friendly.",
    "You are the support agent of {company}. Answer from the knowledge base and never promise refunds.",
    "You are an expert in {field}. Think carefully before you answer.", "Today's date is 2025-03-14.",
    "You are a {field} tutor for high school students. Explain step by step.", "Respond in Markdown.",
    "You work for {company}, which sells {field} software. Follow the style guide. Do not mention competitors.",
    "You are {name}. You never break character. Keep answers under 100 words.", "Use the tools when needed.",
    "Du bist ein hilfreicher Assistent.", "Tu es un assistant utile.", "Eres un asistente de {company}.",
    "Only answer questions about {field}. If you do not know, say so. Output plain text without any formatting.",
)  # fmt: skip
_NAMES = ("Ava", "Max", "Nova", "Sam", "Iris", "Otto", "Luna", "Kai")
_COMPANIES = ("Northwind", "Acme Bank", "BlueSky Airlines", "Fabrikam", "Contoso Health", "Greenleaf", "Lumen Books")
_FIELDS = ("law", "python", "biology", "accounting", "travel", "history", "medicine", "gardening", "security", "math")
_TOOLS = (
    "get_weather", "search_web", "run_sql", "send_email", "create_ticket", "lookup_order", "read_file", "calculator",
    "book_meeting", "translate_text", "list_users", "fetch_url", "update_record", "python",
)  # fmt: skip
_ATTACHED = ("1 image", "2 images", "1 document", "1 tool result", "3 tool results", "1 audio file")


def in_conversation(text: str, rng: random.Random) -> str:
    """Put the text as a user's turn into a made-up conversation: a system prompt, tools, attachments, not always all."""
    system = rng.choice(_SYSTEMS) + (" " + rng.choice(_SYSTEMS) if rng.random() < 0.4 else "")
    system = system.format(name=rng.choice(_NAMES), company=rng.choice(_COMPANIES), field=rng.choice(_FIELDS))
    tools = rng.sample(_TOOLS, rng.randint(1, 6)) if rng.random() < 0.4 else []
    attached = [rng.choice(_ATTACHED)] if rng.random() < 0.2 else []
    return compose(system if rng.random() < 0.85 else "", text, tools, attached)


def roughen(text: str, rng: random.Random) -> str:
    """Return the text with typos, a polite frame, or both; a third of the time within a conversation, too."""
    kind = rng.random()
    if kind < 0.6:
        text = misspell(text, rng.choice((0.02, 0.03, 0.05)), rng)
    if kind > 0.4:
        text = rng.choice(_OPENINGS) + text + rng.choice(_CLOSINGS)
    return in_conversation(text, rng) if rng.random() < 0.35 else text


def misspell(text: str, rate: float, rng: random.Random) -> str:
    """Swap, drop, double or replace letters at the given rate, as fingers do."""
    letters = list(text)
    for i in range(len(letters) - 1):
        if letters[i].isalpha() and rng.random() < rate:
            kind = rng.randrange(4)
            if kind == 0:
                letters[i], letters[i + 1] = letters[i + 1], letters[i]
            elif kind == 1:
                letters[i] = ""
            elif kind == 2:
                letters[i] *= 2
            else:
                letters[i] = rng.choice("abcdefghijklmnopqrstuvwxyz")
    return "".join(letters)
