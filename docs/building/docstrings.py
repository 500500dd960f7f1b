"""Brings docstrings into reStructuredText: formulas, aligned tables and fenced code become literal blocks."""

import re
from typing import Any

from sphinx.application import Sphinx


def literal(lines: list[str]) -> list[str]:
    """Return ``lines`` with each indented or aligned paragraph, and each fence, as a literal block.

    A paragraph is aligned if it stands at the left edge and has a line with three spaces or more between words.
    """
    found, rest = list[str](), list(lines)
    while rest:
        if rest[0].strip().startswith("```"):
            end = next(number for number, line in enumerate(rest[1:], 1) if line.strip() == "```")
            found += [".. code-block:: " + (rest[0].strip("` ") or "text"), "", *_indented(rest[1:end]), ""]
            rest = rest[end + 1 :]
            continue
        count = next((number for number, line in enumerate(rest) if not line.strip()), len(rest))
        paragraph, rest = rest[:count], rest[max(count, 1) :]
        if _is_literal(paragraph, found):
            found += ["::", "", *_indented(paragraph)]
        else:
            found += [plain(line) for line in paragraph]
        found.append("")
    return found


def plain(line: str) -> str:
    """Return a line in which stars and bars outside of backticks stand for themselves."""
    parts = re.split(r"(`+[^`]*`+)", line)
    return "".join(part if part.startswith("`") else re.sub(r"(?<!\*)([*|])(?!\*)", r"\\\1", part) for part in parts)


def joined(line: str) -> str:
    """Join the names of several attributes that share a text; with a space, the first would be the type of the last."""
    return re.sub(r"^(    \w+(?:, \w+)+)(?=: )", lambda found: found[1].replace(", ", ","), line)


def _is_literal(paragraph: list[str], before: list[str]) -> bool:
    if not paragraph or _in_section(before):
        return False
    aligned = any(re.search(r"\S {3,}\S", line) for line in paragraph)
    return aligned or all(line.startswith(" ") for line in paragraph)


def _in_section(before: list[str]) -> bool:
    """Return whether a section such as ``Args:`` has begun."""
    return any(re.fullmatch(r"(Args|Returns|Yields|Raises|Attributes):", line) for line in before)


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Change the lines of a docstring in place, before napoleon reads its sections."""
    lines[:] = literal([joined(line) for line in lines])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
