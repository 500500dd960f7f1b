"""Draw the layers of the code into docs/architecture.md, from the imports.

python docs/draw_layers.py           writes the diagram between the page's two markers
python docs/draw_layers.py --check   exits with 1 if the diagram is out of date

The layers are those of tests/test_layers.py, which holds every import to them.
"""

import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from test_layers import FILES, FRONTS, LAYERS, imports, name_of, room  # noqa: E402

PAGE = ROOT / "docs" / "architecture.md"
START, END = "<!-- layers: made by docs/draw_layers.py -->", "<!-- end of layers -->"

Graph = dict[str, set[str]]


def package(name: str) -> str:
    """Return the package (or module at the root) that a room is in."""
    return name.partition(".")[0]


def uses() -> Graph:
    """Return, for each package, the packages that it imports."""
    found: Graph = {package(name): set() for layer in LAYERS for name in layer}
    for path in FILES:
        if name_of(path) in FRONTS:
            continue  # a front only shows what is in its rooms
        own = package(room(name_of(path)))
        found[own] |= {package(room(name)) for name in imports(path)} - {own}
    return found


def reachable(graph: Graph) -> Graph:
    """Return, for each node, all nodes that can be reached from it."""
    found: Graph = {}
    for name in TopologicalSorter(graph).static_order():
        found[name] = graph[name].union(*(found[other] for other in graph[name]))
    return found


def reduced(graph: Graph) -> Graph:
    """Return the graph without the edges that follow from others: its transitive reduction."""
    beyond = reachable(graph)
    return {
        name: {other for other in direct if not any(other in beyond[between] for between in direct - {other})}
        for name, direct in graph.items()
    }


@cache
def diagram() -> str:
    """Return the diagram of packages (Mermaid) and the list of all layers, from the top down."""
    order = [name for layer in reversed(LAYERS) for name in layer]
    packages = list(dict.fromkeys(map(package, order)))
    graph = reduced(uses())
    arrows = [f"    {name} --> {other}" for name in packages for other in packages if other in graph[name]]
    layers = [" | ".join(layer) for layer in reversed(LAYERS)]
    lines = ["```mermaid", "flowchart TD", *arrows, "```", "", "All layers, from the top down:", ""]
    return "\n".join([*lines, "```text", *layers, "```"])


def drawn(page: str) -> str:
    """Return the page with its diagram up to date.

    Raises:
        ValueError: the page does not have both markers.
    """
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the page needs the lines {START!r} and {END!r} around its diagram")
    return f"{before}{START}\n\n{diagram()}\n\n{END}{after}"


def main(arguments: list[str], place: Path = PAGE) -> int:
    """Write the diagram or, with ``--check``, compare it; return the exit status."""
    page = place.read_text("utf-8")
    now = drawn(page)
    if "--check" not in arguments:
        place.write_text(now, "utf-8")
    elif page != now:
        print(f"{place.name} is out of date; run `python docs/draw_layers.py`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
