"""Edits that damage a valid file: of bytes, of a JSON tree, of a safetensors file.

safetensors    8 bytes length (little-endian), that many bytes of JSON {name: {dtype, shape, data_offsets}}, values
"""

import copy
import json
import struct
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from chaos.pools import DEEP, LONG, VALUES, mostly

RUNS = (
    b"\0",
    b"\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"\x00\x00\xc0\x7f",
    b"\x00\x00\x80\x7f",
    b"[",
    b'"',
    b"\n",
    b",",
)
"""Bytes that mean something: zeros, the largest integers, NaN and infinity of float32, brackets and marks."""


@st.composite
def damaged(draw: DrawFn, content: bytes, most: int = 4) -> bytes:
    """Return ``content`` after one to ``most`` edits of its bytes."""
    for _ in range(draw(st.integers(1, most))):
        content = draw(_damage(content))
    return content


@st.composite
def _damage(draw: DrawFn, content: bytes) -> bytes:
    size = len(content)
    place = draw(st.one_of(st.integers(0, min(size, 128)), st.integers(0, size), st.integers(max(0, size - 64), size)))
    length = draw(st.one_of(st.integers(1, 8), st.integers(1, max(1, size // 2))))
    head, tail = content[:place], content[place:]
    match draw(st.sampled_from(("cut", "flip", "write", "insert", "remove", "repeat", "behead", "append"))):
        case "cut":
            return head
        case "flip" if tail:
            return head + bytes([tail[0] ^ 1 << draw(st.integers(0, 7))]) + tail[1:]
        case "write":
            new = draw(st.one_of(st.sampled_from(RUNS), st.binary(min_size=1, max_size=8)))
            return head + new + tail[len(new) :]
        case "insert":
            return head + draw(st.sampled_from(RUNS)) * draw(st.sampled_from((1, 3, 100))) + tail
        case "remove":
            return head + tail[length:]
        case "repeat":
            return head + tail[:length] + tail
        case "behead":
            return tail
    return content + draw(st.sampled_from(RUNS)) * length


# ---- JSON


def places(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value below ``tree``."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path for key, value in items for path in ((*above, key), *places(value, (*above, key)))]


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at ``path``."""
    for key in path:
        tree = tree[key]
    return tree


@st.composite
def edited(draw: DrawFn, tree: Any, names: tuple[str, ...] = ("x",)) -> Any:
    """Return a copy of a JSON tree with one to three values dropped, replaced, renamed, moved or added.

    Args:
        draw: Hypothesis's.
        tree: JSON values.
        names: texts that mean something in such a tree, as the names of families.
    """
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        paths = places(tree)
        if not paths:
            return draw(st.sampled_from(VALUES))
        *above, key = draw(st.sampled_from(paths))
        node = at(tree, tuple(above))
        match draw(st.sampled_from(("drop", "replace", "replace", "name", "number", "rename", "swap", "add", "wrap"))):
            case "drop":
                del node[key]
            case "name":
                node[key] = draw(st.sampled_from(names))
            case "number":
                node[key] = draw(st.one_of(st.integers(-2, 70), st.floats(-2, 2)))
            case "rename" if isinstance(node, dict):
                node[draw(st.sampled_from((f"{key}2", "type", "", "[/x]")))] = node.pop(key)
            case "swap":
                node[key] = copy.deepcopy(at(tree, draw(st.sampled_from(paths))))
            case "add" if isinstance(node, list):
                node.insert(key, copy.deepcopy(node[key]))
            case "add":
                node["unknown"] = draw(st.sampled_from(VALUES))
            case "wrap":
                node[key] = [node[key]]
            case _:
                node[key] = draw(st.sampled_from(VALUES))
    return tree


def written(tree: Any) -> bytes:
    """Return the JSON text of an edited tree."""
    text = json.dumps(tree)
    deep = "[" * 100_000 + "]" * 100_000
    return text.replace(f'"{DEEP}"', deep).replace(f'"{LONG}"', "9" * 5000).encode("utf-8", "surrogatepass")


@st.composite
def edited_json(draw: DrawFn, content: bytes, names: tuple[str, ...] = ("x",)) -> bytes:
    """Return a JSON file after edits of its tree or, at times, of its bytes."""
    other = (
        b"",
        b"null",
        b"[]",
        b"{}",
        b"3",
        b'"x"',
        b"NaN",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"\xff{}",
    )
    edit = edited(json.loads(content), names).map(written)
    return draw(mostly(edit, st.one_of(st.sampled_from(other), damaged(content))))


# ---- safetensors


def unpacked(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and the values of a safetensors file."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def packed(header: bytes, values: bytes, length: int | None = None) -> bytes:
    """Return a safetensors file; ``length`` is what it says of its header."""
    return struct.pack("<Q", len(header) if length is None else length) + header + values


FILLS = {"nan": b"\x00\x00\xc0\x7f", "inf": b"\x00\x00\x80\x7f", "zero": b"\0\0\0\0", "large": b"\xca\xf2\x49\x71"}
"""float32 values that a tensor may be filled with."""


@st.composite
def edited_tensors(draw: DrawFn, content: bytes) -> bytes:
    """Return a safetensors file after edits of its header or values."""
    header, values = unpacked(content)
    names = [name for name in header if name != "__metadata__"]
    match draw(st.sampled_from(("fill", "fill", "header", "swap", "drop", "add", "type", "flat", "length", "bytes"))):
        case "fill":
            fill = FILLS[draw(st.sampled_from(sorted(FILLS)))]
            start, end = header[draw(st.sampled_from(names))]["data_offsets"]
            end = min(end, start + 4) if draw(st.booleans()) else end
            values = values[:start] + (fill * (end - start))[: end - start] + values[end:]
        case "header":
            return packed(written(draw(edited(header, ("F32", "F64", "BF16", "I64", "BOOL", "F8_E4M3")))), values)
        case "swap":
            one, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
            header[one], header[other] = header[other], header[one]
        case "drop":
            last = max(names, key=lambda name: header[name]["data_offsets"])
            values = values[: header.pop(last)["data_offsets"][0]]
        case "add":
            header["extra"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(values), len(values) + 4]}
            values += bytes(4)
        case "type":
            header[draw(st.sampled_from(names))]["dtype"] = draw(st.sampled_from(("I32", "U32", "F64", "BF16", "BOOL")))
        case "flat":
            one = header[draw(st.sampled_from(names))]
            one["shape"] = [*one["shape"], 1] if draw(st.booleans()) else [1, *one["shape"]]
        case "length":
            length = draw(st.sampled_from((0, 1, 2**32, 2**63, 2**64 - 1, len(content))))
            return packed(json.dumps(header).encode(), values, length)
        case "bytes":
            return draw(damaged(content))
    return packed(json.dumps(header).encode(), values)
