"""How tiny-chat, the small language model that Triton serves, is made."""
