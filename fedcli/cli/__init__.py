"""The command line: parse, call the workflow, print. The only importer of typer and rich."""
