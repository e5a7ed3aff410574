"""The egress sheet: every class of number that would leave a silo, for the person who must agree to it.

Owns the sheet's content and its two forms, text and HTML. Knows nothing of files, keys or how an update is made. The
text is what a reviewer signs: its form is stable, and the same release always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import html
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fedcli.errors import BadDocument, NotAFedcliFile

FIRST_LINE = "fedcli egress sheet 1"
_WIDTH = 80
SCALE = "numbers run from -1 to 1 over their agreed range, levels are 0 or 1"
NEVER = "any row, any name or identifier of a person, any single value of a row"


def number_of(n: int, what: str) -> str:
    """Say how many there are of something.

    Examples
    --------
    >>> number_of(1, "training row"), number_of(1200, "row")
    ('1 training row', '1,200 rows')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def how_many(size: int, form: str = "") -> str:
    """Say how many numbers there are, and how they are arranged.

    Examples
    --------
    >>> how_many(26, "2 points x 13 columns"), how_many(1)
    ('26 numbers, 2 points x 13 columns', '1 number')
    """
    return number_of(size, "number") + (f", {form}" if form else "")


@dataclass(frozen=True)
class SheetBlock:
    """One class of numbers.

    Parameters
    ----------
    name : str
    shape : tuple of int
        Of the array as it is sent: symmetric matrices as their packed upper triangle.
    form : str
        How the numbers are arranged, as people read it; empty where ``says`` names each.
    says : str
        What the numbers are, in words.
    rows : str
        The rows that they are summed over.
    readable : str
        Who can read them for this silo alone, and who only in a sum over silos.
    """

    name: str
    shape: tuple[int, ...]
    form: str
    says: str
    rows: str
    readable: str

    @property
    def count(self) -> str:
        """How many numbers, and in what shape: ``91 numbers, 13 x 13 with each pair once``."""
        return how_many(math.prod(self.shape), self.form)


@dataclass(frozen=True)
class SheetTest:
    """One rule that a release was held to, what it requires, what was found, and what became of it.

    ``passed``; ``no rule`` where the agreement has none; ``not tested`` where nobody could look; ``not sent`` where
    zeros leave in place of what failed it. A release exists only where no rule is broken.
    """

    rule: str
    required: str
    found: str
    outcome: str = "passed"


@dataclass(frozen=True)
class SheetContext:
    """The update that a sheet is about: what an approval of it is bound to.

    Parameters
    ----------
    study : str
        The study's name.
    study_id, roster, continues : str
        Hashes, 64 hexadecimal digits; ``continues`` is that of the model that the update was made from.
    silo : str
    round, attempt : int
    """

    study: str
    study_id: str
    roster: str
    continues: str
    silo: str
    round: int
    attempt: int

    def facts(self) -> tuple[tuple[str, str], ...]:
        """Return the lines of the sheet that say it, short enough to stand on one line each."""
        return tuple((name.replace("_", " "), str(value)) for name, value in vars(self).items())


def read_context(text: bytes) -> SheetContext:
    """Read which update a sheet is about.

    Parameters
    ----------
    text : bytes
        The text form.

    Raises
    ------
    NotAFedcliFile
        It is no egress sheet.
    BadDocument
        One of its lines is not as fedcli wrote it.
    """
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        lines = []
    if not lines or lines[0] != FIRST_LINE:
        raise NotAFedcliFile("this is not an egress sheet", hint="name the .sheet.txt file that 'fedcli train' wrote")
    blank = [i for i, line in enumerate(lines) if not line]
    head = lines[blank[0] + 1 : blank[1]] if len(blank) > 1 else []
    found: dict[str, str] = {}
    for name, pattern in _CONTEXT.items():
        said = name.replace("_", " ")
        values = [line[len(said) :].strip() for line in head if re.match(re.escape(said) + " {2,}", line)]
        if len(values) != 1 or not re.fullmatch(pattern, values[0]):
            raise BadDocument(
                f"the sheet does not say its {said}", hint="let 'fedcli train' write it again; it is never edited"
            )
        found[name] = values[0]
    numbers = {name: int(found.pop(name)) for name in ("round", "attempt")}
    return SheetContext(**found, **numbers)  # type: ignore[arg-type]


_HEX = "[0-9a-f]{64}"
_NAME = "[a-z0-9][a-z0-9-]{0,39}"
_CONTEXT = {
    "study": _NAME,
    "study_id": _HEX,
    "roster": _HEX,
    "continues": _HEX,
    "silo": _NAME,
    "round": "[1-9][0-9]{0,5}",
    "attempt": "[1-9][0-9]{0,5}",
}


@dataclass(frozen=True)
class Sheet:
    """What would leave, for one update.

    Parameters
    ----------
    title : str
    context : SheetContext
    facts : sequence of (str, str)
        To whom, how many rows, and the hashes that tie the sheet to one set of numbers.
    blocks : sequence of SheetBlock
    columns : sequence of str
        The columns that are summed, after the intercept.
    tests : sequence of SheetTest
    warnings : sequence of str
    """

    title: str
    context: SheetContext
    facts: Sequence[tuple[str, str]]
    blocks: Sequence[SheetBlock]
    columns: Sequence[str]
    tests: Sequence[SheetTest]
    warnings: Sequence[str] = ()

    @property
    def _all_facts(self) -> tuple[tuple[str, str], ...]:
        return (*self.context.facts(), *self.facts)

    def to_text(self) -> bytes:
        """Return the sheet as UTF-8 text of at most 80 columns. Its bytes are what a reviewer signs."""
        return ("\n".join(self._lines()) + "\n").encode("utf-8")

    def digest(self) -> str:
        """Return the SHA-256 of the text, 64 hexadecimal digits."""
        return hashlib.sha256(self.to_text()).hexdigest()

    def _lines(self) -> Iterator[str]:
        yield FIRST_LINE
        yield from _wrapped("", self.title)
        yield ""
        width = max(len(name) for name, _ in self._all_facts)
        for name, value in self._all_facts:
            yield from _wrapped(f"{name:<{width}}  ", value)
        yield ""
        yield "WHAT WOULD LEAVE"
        for number, block in enumerate(self.blocks, start=1):
            yield from _wrapped(f"  {number:>2}. ", f"{block.name}: {block.count}")
            yield from _wrapped("      meaning   ", block.says)
            yield from _wrapped("      rows      ", block.rows)
            yield from _wrapped("      readable  ", block.readable)
        yield ""
        yield "OF THESE COLUMNS"
        yield from _wrapped("  ", f"the intercept, {', '.join(map(_printable, self.columns))}; {SCALE}")
        yield ""
        yield "WHAT DOES NOT LEAVE"
        yield from _wrapped("  ", NEVER)
        yield ""
        yield "TESTS"
        for test in self.tests:
            yield from _wrapped(f"  {test.outcome:<10}  ", f"{test.rule}: required {test.required}; here {test.found}")
        if self.warnings:
            yield ""
            yield "TO BE KNOWN"
            for warning in self.warnings:
                yield from _wrapped("  - ", warning)

    def to_html(self) -> str:
        """Return the sheet as one page that needs no network, prints well and follows the screen's light or dark."""
        facts = "".join(f"<tr><th scope=row>{_escaped(name)}<td>{_fact(value)}" for name, value in self._all_facts)
        groups: dict[tuple[str, str], list[SheetBlock]] = {}
        for block in self.blocks:
            groups.setdefault((block.rows, block.readable), []).append(block)
        blocks = "".join(
            f"<tbody><tr class=group><th colspan=3 scope=rowgroup>Over {_escaped(rows)}"
            f"<br><span>read {_escaped(readable)}</span>{''.join(map(_row, several))}</tbody>"
            for (rows, readable), several in groups.items()
        )
        tests = "".join(
            f"<tr><td data-label=Outcome class={'pass' if test.outcome == 'passed' else 'note'}>"
            f"{_escaped(test.outcome)}<th scope=row>{_escaped(test.rule)}"
            f"<td data-label=Required>{_escaped(test.required)}<td data-label=Here>{_escaped(test.found)}"
            for test in self.tests
        )
        columns = ", ".join(f"<code>{_escaped(column)}</code>" for column in self.columns)
        warnings = "".join(f"<li>{_escaped(warning)}" for warning in self.warnings)
        return _PAGE.format(
            title=_escaped(self.title),
            facts=facts,
            blocks=blocks,
            columns=columns,
            scale=SCALE,
            never=_escaped(NEVER),
            tests=tests,
            warnings=f"<h2>To be known</h2><ul>{warnings}</ul>" if warnings else "",
            digest=self.digest(),
        )


def _wrapped(start: str, text: str) -> list[str]:
    """Wrap ``text`` behind ``start``, under itself; a long word, such as a hash, stays whole.

    Blanks become single ones: two of them stand behind the name of a fact only.
    """
    return textwrap.wrap(
        " ".join(_printable(text).split()),
        width=_WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]


def _printable(text: str) -> str:
    """Show control characters, so that no column name can forge a line of the sheet."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _row(block: SheetBlock) -> str:
    return (
        f'<tr><th scope=row>{_escaped(block.name)}<td data-label="How many">{_escaped(block.count)}'
        f"<td data-label=Meaning>{_escaped(block.says)}"
    )


def _fact(value: str) -> str:
    """Set a hash in letters of equal width, which may break anywhere."""
    return f"<code>{_escaped(value)}</code>" if re.fullmatch(_HEX, value) else _escaped(value)


def _escaped(text: str) -> str:
    return html.escape(_printable(text))


_PAGE = """<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8886; --group: #8882; --pass: #1a7f37; }}
@media (prefers-color-scheme: dark) {{ :root {{ --pass: #57d977; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.15rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }}
th, td, p, li {{ overflow-wrap: break-word; }} th {{ font-weight: 600; }} thead th {{ border-bottom-width: 2px; }}
code {{ font-size: .9em; overflow-wrap: anywhere; }}
.group th {{ background: var(--group); }} .group span {{ font-weight: 400; }}
.facts th, .numbers th, .tests td:first-child {{ white-space: nowrap; }} .group th {{ white-space: normal !important; }}
.numbers td:nth-child(2) {{ width: 14rem; }}
.pass {{ color: var(--pass); font-weight: 600; }} .note {{ font-style: italic; }}
@media (max-width: 44rem) {{
  tr, th, td {{ display: block; border: 0; padding: .1rem 0; white-space: normal !important; width: auto !important; }}
  tr {{ border-bottom: 1px solid var(--line); padding: .5rem 0; }} thead {{ display: none; }}
  .group th {{ padding: .35rem .6rem; }}
  td[data-label]::before {{ content: attr(data-label) ": "; opacity: .7; font-weight: 400; font-style: normal; }}
}}
@media print {{
  :root {{ color-scheme: light; }}
  body {{ margin: 0; max-width: none; font-size: 11px; }} tr {{ break-inside: avoid; }} h2 {{ break-after: avoid; }}
}}
</style>
<main>
<h1>{title}</h1>
<table class=facts>{facts}</table>
<h2>What would leave</h2>
<table class=numbers>
<thead><tr><th scope=col>Numbers<th scope=col>How many, in what shape<th scope=col>Meaning</thead>
{blocks}</table>
<h2>Of these columns</h2><p>the intercept, {columns}; {scale}</p>
<h2>What does not leave</h2><p>{never}</p>
<h2>Tests</h2>
<table class=tests>
<thead><tr><th scope=col>Outcome<th scope=col>Rule<th scope=col>Required<th scope=col>Here</thead>
<tbody>{tests}</tbody></table>
{warnings}
<h2>To approve</h2>
<p>Who approves signs the text form of this sheet. Its SHA-256 is <code>{digest}</code></p>
</main>
</html>
"""
