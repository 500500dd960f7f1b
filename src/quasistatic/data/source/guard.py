"""Guards against damaged and malicious files: checks sizes before allocation, and turns crashes into messages."""

from collections.abc import Iterator
from contextlib import contextmanager

PACKED_RATIO = 200
"""Maximum ratio of unpacked to packed size; images and text have 2 to 20."""

ALWAYS_UNPACKED = 2**28
"""Unpacked bytes that are always allowed."""


class PackedError(ValueError):
    """Packed data claim to hold far more than real data do."""


def check_packed(name: str, packed: int, unpacked: int) -> None:
    """Check that packed data do not claim an implausible unpacked size.

    Args:
        name: name of the file.
        packed: its size in bytes.
        unpacked: its claimed unpacked size in bytes.

    Raises:
        PackedError: if ``unpacked`` exceeds both 256 MiB and `PACKED_RATIO` times ``packed``.
    """
    if unpacked > max(ALWAYS_UNPACKED, PACKED_RATIO * packed):
        raise PackedError(
            f"{name}: packed data may hold {ALWAYS_UNPACKED >> 20} MiB, or {PACKED_RATIO} times their size if that is "
            f"more, got {counted(unpacked)} bytes in {counted(packed)}; if they are real, save them unpacked"
        )


@contextmanager
def one_sentence(source: str) -> Iterator[None]:
    """Turn any exception of a reader into one sentence about ``source``.

    Raises:
        ValueError: if the data are damaged.
        OSError: if memory runs out.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        if "\n" not in str(error):
            raise
        kind = type(error) if isinstance(error, OSError) else ValueError
        raise kind(" ".join(str(error).split())) from error
    except Exception as error:
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "alloc" in str(error)):
            raise OSError(
                f"{source}: reading it takes more memory than there is; use fewer or smaller examples"
            ) from error
        raise ValueError(
            f"{source}: whole and undamaged data are needed, got something that cannot be read "
            f"({type(error).__name__}: {first_line(error)}); save or fetch it again"
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of ``error``'s message, at most 300 characters, or its type if the message is empty."""
    return shortened((str(error).strip().splitlines() or [""])[0].strip(), 300) or type(error).__name__


def counted(number: int) -> str:
    """Return a number in digits; "over 2^63" if it is larger than any memory."""
    return f"{number:,}" if number < 2**63 else "over 2^63"


def shortened(text: str, most: int = 60) -> str:
    """Return ``text``, cut to at most ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
