"""The written pages of the project, as tests read them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(r"^```(?P<language>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(?P<text>.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_ROW = re.compile(r"^\|(?P<cells>.+)\|$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        path: Its file.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        """The whole text."""
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """The text without code blocks."""
        return _FENCE.sub("", self.text)

    def fences(self, language: str) -> list[str]:
        """Code blocks of a language, in order."""
        found = _FENCE.finditer(self.text)
        return [block["text"] for block in found if block["language"].strip() == language]

    @property
    def links(self) -> list[str]:
        """Targets of the links that do not leave the project."""
        targets = [found["target"] for found in _LINK.finditer(self.prose)]
        return [target for target in targets if not target.startswith(("http://", "https://"))]

    @property
    def anchors(self) -> set[str]:
        """Names of the headings, as links spell them."""
        titles = [found["text"].lower() for found in _HEADING.finditer(self.prose)]
        return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in titles}

    def table(self, first: str) -> list[list[str]]:
        """Rows of the tables whose first column has this title, without backticks around cells.

        Raises:
            AssertionError: If there is none.
        """
        found: list[list[str]] = []
        inside = False
        for line in self.prose.splitlines():
            row = _ROW.match(line.strip())
            if row is None:
                inside = False
                continue
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row["cells"])]
            if cells[0] == first:
                inside = True
            elif inside and not set(cells[0]) <= set("-: "):
                found.append(cells)
        assert found, f"{self} has no table that begins with {first!r}"
        return found


def page(name: str) -> Page:
    """A page by its path in the project."""
    return Page(ROOT / name)


def pages() -> list[Page]:
    """All pages."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return [Page(path) for path in sorted(paths)]
