"""Configuration of the documentation site. `make docs` builds it, with every warning an error."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # threads that wait do not keep a busy core from others
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # pages run the command
os.environ["COLUMNS"] = "100"
os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # of tqdm, with a path of this machine

from pygments.lexers.special import TextLexer  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402

from quasistatic import __version__  # noqa: E402

project, author, copyright = "quasistatic", "the quasistatic authors", "the quasistatic authors"
version = release = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docstrings",
    "reference",
    "mathml",
    "llms",
    "streams",
]
exclude_patterns = ["building", "measured", "paper2015/*.json", "**/.ipynb_checkpoints"]
suppress_warnings = ["config.cache"]

# ---- pages
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_output_stderr = "remove"
nb_merge_streams = True

# ---- reference
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_class_signature = "mixed"
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True
napoleon_attr_annotations = False
default_role = "literal"

# ---- look
html_theme = "furo"
html_title = f"quasistatic {release}"
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css"]
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}


# ---- pages that also stand outside of the site
MOVED = {"](../CONTRIBUTING.md)": "](contributing.md)"}


def moved(app: Sphinx, name: str, content: list[str]) -> None:
    """Let links to files of the repository lead to the pages that show them."""
    for link, page in MOVED.items():
        content[0] = content[0].replace(link, page)


def setup(app: Sphinx) -> None:
    app.connect("source-read", moved)
    for lexer in ("mermaid", "csv"):
        app.add_lexer(lexer, TextLexer)
