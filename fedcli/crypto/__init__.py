"""Keys, age encryption, signatures: the only importer of ``cryptography``."""
