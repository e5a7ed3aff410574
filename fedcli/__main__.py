"""``python -m fedcli``. Internal."""

from fedcli.cli.main import main

main()
