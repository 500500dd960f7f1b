"""What keeps damaged and malicious files from ending in a crash: sizes are checked before anything is allocated."""

from collections.abc import Iterator
from contextlib import contextmanager

PACKED_RATIO = 200
"""Packed data may hold at most so many times their size; images and text hold 2 to 20 times."""

ALWAYS_UNPACKED = 2**28
"""Bytes that packed data may hold whatever their size."""


class PackedError(ValueError):
    """Packed data hold far more than real data do."""


def check_packed(name: str, packed: int, unpacked: int) -> None:
    """Refuse data that were packed far more than real data can be.

    Args:
        name: of the file.
        packed: its size in bytes.
        unpacked: what it says that it holds, in bytes.

    Raises:
        PackedError: ``unpacked`` is above 256 MiB and `PACKED_RATIO` times ``packed``.
    """
    if unpacked > max(ALWAYS_UNPACKED, PACKED_RATIO * packed):
        raise PackedError(
            f"{name}: packed data may hold {ALWAYS_UNPACKED >> 20} MiB, or {PACKED_RATIO} times their size if that is "
            f"more, got {counted(unpacked)} bytes in {counted(packed)}; if they are real, save them unpacked"
        )


@contextmanager
def one_sentence(source: str) -> Iterator[None]:
    """Turn whatever a reader stumbles over into one sentence about ``source``.

    Raises:
        ValueError: the data are damaged in a way that no reader foresaw.
        OSError: memory ran out.
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
    """Return what ``error`` says, in one line of at most 300 characters, or its type if it says nothing."""
    return shortened((str(error).strip().splitlines() or [""])[0].strip(), 300) or type(error).__name__


def counted(number: int) -> str:
    """Return a number in digits, unless no memory has so many bytes."""
    return f"{number:,}" if number < 2**63 else "over 2^63"


def shortened(text: str, most: int = 60) -> str:
    """Return at most so many characters of ``text``."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
