"""The list of commands in the help page, grouped by who runs them.

Owns the order and titles of the groups. Plain text: drawing the page with rich doubles the time that ``fedcli --help``
takes, which somebody waits for. Internal.
"""

from __future__ import annotations

from typing import Any

import typer.core

from fedcli.cli.options import ANYONE, AT_A_SILO, AT_THE_COORDINATOR, FIRST

_ORDER = {title: place for place, title in enumerate((FIRST, AT_THE_COORDINATOR, AT_A_SILO, ANYONE))}


class GroupedCommands(typer.core.TyperGroup):
    """A command group whose help lists its commands under the panel that each was given."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one definition list per panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            panel = getattr(command, "rich_help_panel", None)
            title = panel if isinstance(panel, str) else "Commands"
            panels.setdefault(title, []).append((name, command.get_short_help_str(limit=120)))
        width = max((len(name) for rows in panels.values() for name, _ in rows), default=0)
        for title, rows in sorted(panels.items(), key=lambda item: _ORDER.get(item[0], len(_ORDER))):
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{width}}", text) for name, text in rows])
