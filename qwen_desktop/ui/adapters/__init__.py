"""Adapters (LoRA) as the window shows them: in a chat's panel, and with an assistant."""
