"""One function per command, each returning a frozen result: the Python API."""
