"""What the tiny-chat model is made of; nothing here knows Triton."""
