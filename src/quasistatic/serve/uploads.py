"""Keeps files that came from the page: bytes are counted as they come, names are kept apart from paths.

Nothing is decoded here. The worker reads the files by the library's own loaders.
"""

import json
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

MOST_FILES = 2_000
"""Maximum files of one upload."""

MOST_UPLOADS = 64
"""Uploads that are kept; the oldest are removed."""

NAMES = "names.json"


class UploadRefusedError(ValueError):
    """An upload that is not taken; ``status`` is that of the answer."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


class Uploads:
    """Uploads by id: each is a folder of numbered files under ``root``, with their names aside.

    Args:
        root: an empty folder of the server's own.
        most: maximum bytes of an upload.
    """

    def __init__(self, root: Path, most: int) -> None:
        self.root, self.most = root, most
        self._sizes: dict[str, int] = {}

    async def add(self, chunks: AsyncIterator[bytes], name: str, into: str | None) -> str:
        """Store a file, in a new upload or the one called ``into``; return the upload's id.

        Raises:
            UploadRefusedError: if there is no such upload, or the file is empty, too large or one too many.
        """
        if into is not None and into not in self._sizes:
            raise UploadRefusedError("this upload is gone; send the files again", 404)
        key = into or self._new()
        folder = self.root / key
        names = json.loads((folder / NAMES).read_text()) if into else []
        if len(names) >= MOST_FILES:
            raise UploadRefusedError(f"an upload has at most {MOST_FILES} files; send fewer", 413)
        ending = re.search(r"\.[a-z0-9]{1,8}(\.gz)?$", name.lower())
        path = folder / f"{len(names):05d}{ending[0] if ending else ''}"
        size = await self._write(path, chunks, self.most - self._sizes[key])
        if not size:
            path.unlink()
            raise UploadRefusedError("the file is empty; choose another")
        self._sizes[key] += size
        names.append(Path(name.replace("\\", "/")).name[-120:] or path.name)
        (folder / NAMES).write_text(json.dumps(names))
        return key

    def folder(self, key: object) -> Path:
        """Return the folder of an upload.

        Raises:
            UploadRefusedError: if there is no such upload.
        """
        if not isinstance(key, str) or key not in self._sizes:
            raise UploadRefusedError("this upload is gone; send the file again", 404)
        return self.root / key

    async def _write(self, path: Path, chunks: AsyncIterator[bytes], left: int) -> int:
        size = 0
        with path.open("wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > left:
                    break
                file.write(chunk)
        if size > left:
            path.unlink()
            raise UploadRefusedError(
                f"an upload has at most {self.most / 2**20:.0f} MB; send less, or start with a larger --max-upload", 413
            )
        return size

    def _new(self) -> str:
        while len(self._sizes) >= MOST_UPLOADS:
            oldest = next(iter(self._sizes))
            del self._sizes[oldest]
            shutil.rmtree(self.root / oldest, ignore_errors=True)
        key = secrets.token_hex(8)
        (self.root / key).mkdir(parents=True)
        self._sizes[key] = 0
        return key
