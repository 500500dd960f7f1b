"""Turns an exception into one sentence and an exit status: 2 for a wrong request, 1 for failed work."""

import os

TRACEBACK = "QUASISTATIC_TRACEBACK"
"""Environment variable: if set, exceptions are raised with their traceback."""

REQUEST = (ValueError, TypeError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
"""Exceptions of a wrong request."""

WORK = (OSError, ArithmeticError)
"""Exceptions of failed work."""

NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "std::bad_alloc",
    "Storage size calculation",
)
"""Words in torch's RuntimeErrors that mean out of memory."""


LONGEST = 1000
"""Maximum characters of a sentence; the middle of a longer one is cut."""


def told(error: BaseException) -> tuple[str, int]:
    """Return the sentence to print for ``error``, and the exit status."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    if len(text) > LONGEST:  # a schedule of a thousand rates, a list of a thousand names
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f": {os.fsdecode(error.filename)}"
        text = f"{error.strerror[0].lower()}{error.strerror[1:]}{where}"
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(word in text for word in NO_MEMORY)):
        return (
            "there is not enough memory for this; ask for less at once: a smaller training.batch or network, fewer "
            "examples (-n, --limit), draws or particles, or smaller images (data.size)"
        ), 1
    worded = isinstance(error, ModuleNotFoundError) and error.name is None  # of an extra; Python's own have the name
    if worded or isinstance(error, REQUEST):
        return text, 2
    if isinstance(error, WORK):
        return text, 1
    return (
        f"this is a bug in quasistatic ({type(error).__name__}: {text[:300]}); "
        f"set {TRACEBACK}=1 to see where it is, and report it"
    ), 1
