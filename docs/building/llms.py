"""Writes ``llms.txt`` into the site: every page with its first sentence, and where its source text is."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

SHELVES = {"tutorials": "Tutorials", "reference": "Reference"}


def first_sentence(tree: nodes.document) -> str:
    """Return the first sentence of a page's first paragraph, at most 200 characters of it."""
    paragraph = next(iter(tree.findall(nodes.paragraph)), None)
    text = " ".join(paragraph.astext().split()) if paragraph is not None else ""
    return (text.partition(". ")[0].rstrip(".") + "." if text else "")[:200]


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the file, if the build made HTML."""
    if error is not None or app.builder.name != "html":
        return
    shelves: dict[str, list[str]] = {}
    for name in sorted(app.env.found_docs - {"index"}):
        title, told = app.env.titles[name].astext(), first_sentence(app.env.get_doctree(name))
        source = Path(str(app.env.doc2path(name, base=False))).suffix
        place = f"_sources/{name}{source}.txt"
        shelf = SHELVES.get(name.partition("/")[0], "Guides")
        shelves.setdefault(shelf, []).append(f"- [{title}]({place}): {told}")
    parts = [
        "# quasistatic",
        f"> {first_sentence(app.env.get_doctree('index'))}",
        *("\n".join([f"## {shelf}", "", *pages]) for shelf, pages in sorted(shelves.items(), reverse=True)),
    ]
    (Path(app.outdir) / "llms.txt").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
