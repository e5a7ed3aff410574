"""Bytes to frozen dataclasses and back: canonical JSON, the archive, tensors. No keys, no disk."""
