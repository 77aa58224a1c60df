"""Patches cut once: where they lie, shards that survive an interruption, and the store that training reads."""
