"""Patches: windows, shards that survive an interruption, and the store that training reads."""
