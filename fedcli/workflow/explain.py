"""`explain`: the documentation that ships with fedcli, by error code, word or page.

Owns finding a page. Knows nothing of screens. Stable: part of the Python API.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from importlib import resources

from fedcli.errors import UnknownTopic

_MOST = 5
_HEADING = re.compile(r"^## +(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One page, or one section of a page.

    Parameters
    ----------
    topic : str
    text : str
        Markdown.
    """

    topic: str
    text: str


def explain(topic: str | None = None) -> Page:
    """Return the page of ``topic``: an error code, a glossary word, or a page's name; without it the list.

    Raises
    ------
    UnknownTopic
    """
    pages = _pages()
    if topic is None:
        return Page("topics", _contents(pages))
    wanted = topic.strip().lower()
    if wanted in pages:
        return Page(wanted, pages[wanted])
    for name in ("errors", "glossary", *pages):
        for heading, section in _sections(pages.get(name, "")):
            words = heading.lower()
            if words == wanted or words.split(" ")[0].rstrip(":") == wanted:
                return Page(heading, section)
    near = _near(wanted, pages)
    raise UnknownTopic(
        f"there is no page '{topic}'",
        hint=f"did you mean: {', '.join(near)}" if near else "see the list: fedcli explain",
    )


def _near(wanted: str, pages: dict[str, str]) -> list[str]:
    """Return topics like ``wanted``: spelled alike, or whose text speaks of it."""
    sections = [(_topic(heading), text) for page in pages.values() for heading, text in _sections(page)]
    known = [name for name in dict.fromkeys([*pages, *(name for name, _ in sections)]) if len(name) > 2]
    near = difflib.get_close_matches(wanted, [name.lower() for name in known], n=3, cutoff=0.7)
    near = [name.upper() if name.upper() in known else name for name in near]
    near += [name for name in known if len(wanted) > 2 and wanted in name]
    if not near and len(wanted) > 2:
        # The shortest page that speaks of it most is the one about it: a word of the glossary, or an error.
        times = {name: len(re.findall(rf"\b{re.escape(wanted)}", text.lower())) / len(text) for name, text in sections}
        near = [name for name in sorted(times, key=lambda name: -times[name]) if times[name]]
    return list(dict.fromkeys(near))[:_MOST]


def _topic(heading: str) -> str:
    """Return what is typed for a section: a code, or its title's first word."""
    first = heading.split(" ")[0].rstrip(":")
    return first if re.fullmatch(r"[EW]\d{3}", first) else first.lower()


def _pages() -> dict[str, str]:
    folder = resources.files("fedcli") / "docs"
    return {
        entry.name.removesuffix(".md"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".md")
    }


def _sections(text: str) -> list[tuple[str, str]]:
    starts = list(_HEADING.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return [(m.group(1).strip(), text[m.start() : end].rstrip()) for m, end in zip(starts, ends, strict=True)]


def _contents(pages: dict[str, str]) -> str:
    lines = ["Pages (fedcli explain PAGE):"]
    for name, text in pages.items():
        title = text.split("\n", 1)[0].lstrip("# ").strip()
        lines.append(f"  {name:<12} {title}")
    lines.append("")
    lines.append("Any code of an error or warning (fedcli explain E404) or word of the glossary (fedcli explain silo).")
    return "\n".join(lines)
