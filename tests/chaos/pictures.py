"""Pictures, folders of them and masks: every format and mode that Pillow writes, damaged files, bombs, odd places."""

import io
import struct
import zlib

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from PIL import Image

from chaos.cases import Content, Directory, Link, Pipe
from chaos.edits import damaged
from chaos.pools import mostly

MODES = {
    "PNG": ("L", "RGB", "RGBA", "1", "P", "LA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "GIF": ("P", "L", "RGB"),
    "TIFF": ("L", "RGB", "RGBA", "1", "I;16", "F", "CMYK", "LAB", "I"),
    "BMP": ("L", "RGB", "1", "P"),
    "WEBP": ("RGB", "RGBA"),
}
SIZES = ((8, 8), (8, 8), (8, 8), (8, 8), (1, 1), (7, 9), (1, 40), (300, 2), (64, 64))
MIX = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "TIFF": ".tiff", "BMP": ".bmp", "WEBP": ".webp"}


def painted(form: str, mode: str, size: tuple[int, int], seed: int, extra: str = "") -> bytes:
    """Return a picture's file of random pixels; ``extra`` is frames, exif, or levels of grey alone."""
    width, height = size
    random = np.random.default_rng(seed)
    made = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if extra == "grey":
        made = Image.fromarray(random.integers(0, 17, (height, width), dtype=np.uint8))
    if mode == "I;16":
        made = Image.fromarray(random.integers(0, 2**16, (height, width), dtype=np.uint16))
    elif mode == "F":
        made = Image.fromarray(random.normal(size=(height, width)).astype(np.float32))
    elif mode == "LAB":
        made = Image.frombytes("LAB", size, random.bytes(3 * width * height))
    else:
        made = made.convert(mode)
    file = io.BytesIO()
    options: dict[str, object] = {}
    if extra == "frames" and form in ("GIF", "TIFF", "WEBP", "PNG") and mode in ("L", "RGB", "RGBA"):
        options = {"save_all": True, "append_images": [made.rotate(90), made]}
    elif extra == "exif" and form in ("JPEG", "PNG", "WEBP", "TIFF"):
        exif = Image.Exif()
        exif[0x0112] = seed % 10  # its orientation; 0 and 9 are none
        options = {"exif": exif}
    made.save(file, form, **options)
    return file.getvalue()


def _png(width: int, height: int, depth: int = 8, colour: int = 0, body: bytes = b"\0") -> bytes:
    """A PNG file whose header says what it likes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


LIARS = (
    _png(0, 0), _png(50_000, 50_000), _png(2**31 - 1, 2**31 - 1), _png(2**32 - 1, 1), _png(8, 8, 8, 0, b""), _png(8,
    8, 99), _png(8, 8, 8, 9),
    _png(12_000, 12_000, 8, 2, bytes(36_001 * 600)), _png(9_000, 9_000, 1, 0, bytes(1126 * 9_000)),
    b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(30), b"BM" + bytes(60), b"II*\0" + bytes(20),
    b"\xff\xd8\xff\xe0" + bytes(40),
    b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(30), b"", b"P6 3 3 255\n" + bytes(27),
    b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4",
    b"P5 60000 60000 255\n", b"\0" * 100,
)  # fmt: skip
"""Files that say they are pictures."""


@st.composite
def pictures(draw: DrawFn, form: str | None = None) -> bytes:
    """A picture's file."""
    form = form or draw(st.sampled_from(tuple(MODES)))
    match draw(st.sampled_from(("whole", "whole", "whole", "damaged", "liar"))):
        case "liar":
            return draw(st.sampled_from(LIARS))
        case "damaged":
            return draw(damaged(draw(_whole(form))))
    return draw(_whole(form))


@st.composite
def _whole(draw: DrawFn, form: str) -> bytes:
    mode, size = draw(st.sampled_from(MODES[form])), draw(st.sampled_from(SIZES))
    return painted(
        form, mode, size, draw(st.integers(0, 99)), draw(st.sampled_from(("", "", "grey", "frames", "exif")))
    )


PLACES = (
    "a/{}{}", "b/{}{}", "{}{}", "a/deep/er/{}{}", ".hidden/{}{}", ".{}{}", "[bold]/{}{}", "[/x]/{}{}", "a b/{}{}",
    "名/{}{}",
    "a\nb/{}{}", "a/{}.PNG", "a/{}.txt", "a/{}", "a/[/x]{}{}", "a/{}.png.part", "a/{}\udcff{}",
)  # fmt: skip
"""Where the pictures of a folder lie."""


@st.composite
def folders(draw: DrawFn) -> tuple[str, dict[str, Content]]:
    """A folder of pictures: classes, odd names, other files, links, pipes, broken pictures among whole ones."""
    files: dict[str, Content] = {}
    whole = draw(st.booleans())
    size = draw(st.sampled_from(SIZES[3:]))
    pattern = draw(st.lists(st.sampled_from(PLACES[:3] if whole else PLACES), min_size=1, max_size=4))
    for number in range(draw(st.sampled_from((1, 3, 8, 12)))):
        place = pattern[number % len(pattern)]
        form = draw(st.sampled_from(tuple(MODES))) if not whole else "PNG"
        content = painted("PNG", "L", size, number, "grey") if whole else draw(pictures(form))
        files[f"data/{place.format(number, MIX[form])}"] = content
    odd: tuple[tuple[str, Content], ...] = (
        ("data/out.png", Link("/etc/passwd")), ("data/a/loop", Link("..")), ("data/self.png", Link("self.png")),
        ("data/pipe.png", Pipe()),
        ("data/empty", Directory()), ("data/c/folder.png", Directory()), ("data/notes.txt", b"x"),
        ("data/.DS_Store", b"\0"), ("data/a/Thumbs.db", b"x"),
        ("data/gone.png", Link("nothing.png")), ("data/a/empty.png", b""), ("data/train-images-idx3-ubyte", b"x"),
        ("data/away", Link("/usr/share")),
        ("data/labels.csv", b"a,b\n1,2\n"), ("data/zero.png", Link("/dev/zero")),
    )  # fmt: skip
    for name, content in draw(
        st.lists(st.sampled_from(odd), max_size=0 if whole else 2, unique_by=lambda item: item[0])
    ):
        files.setdefault(name, content)
    if draw(st.integers(0, 15)) == 0:
        return "data", {"data": draw(st.sampled_from((Directory(), Pipe(), Link("data"), Link("/"))[:3]))}
    return draw(st.sampled_from(("data", "data/", "data/a", "./data/."))), files


@st.composite
def picture_files(draw: DrawFn) -> tuple[str, dict[str, Content]]:
    """A folder of pictures or a single file, which may be called what it is not."""
    if draw(st.integers(0, 3)):
        return draw(folders())
    name = f"data{draw(st.sampled_from((*MIX.values(), '.jpeg', '.tif', '.PNG', '.ppm')))}"
    content: Content = draw(mostly(pictures(), st.sampled_from((Pipe(), Link("/dev/zero"), Directory()))))
    return name, {name: content}
