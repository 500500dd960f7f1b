"""Models on the Hugging Face hub: uploaded with a card, and downloaded into its cache.

    hf:owner/name           a model of the hub, wherever a model's folder is asked for

A download takes the model's own files and no others. Nothing of it is run.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quasistatic.model.folder import CONFIG, WEIGHTS
from quasistatic.model.measured import PLAN, VARIANCE
from quasistatic.runtime.fields import brief
from quasistatic.runtime.files import new_folder

PREFIX = "hf:"
"""Of the names of models on the hub."""

FILES = CONFIG, WEIGHTS, PLAN, VARIANCE
"""The files of a model."""


def local(folder: Any, revision: str | None = None) -> Any:
    """Return ``folder``, or the folder in the hub's cache if it is ``hf:owner/name``, downloaded if it is not there.

    Raises:
        ValueError: if the name has another form, the hub has no such model, or a folder is given with a revision.
        OSError: if it is not in the cache and cannot be downloaded; the message has the cache's path.
    """
    if not str(folder).startswith(PREFIX):
        if revision is not None:
            raise ValueError(
                f"a revision is of a model on the hub, hf:owner/name, got {brief(str(folder))}; leave it out"
            )
        return folder
    from huggingface_hub import snapshot_download

    name = checked(str(folder).removeprefix(PREFIX))
    with sentences(name, "downloaded"):
        return snapshot_download(name, revision=revision, allow_patterns=list(FILES))


def pull(name: str, out: str | Path, revision: str | None = None) -> Path:
    """Download a model of the hub into a new folder.

    Raises:
        ValueError: if the name is not ``owner/name`` (with or without ``hf:``), or the hub has no such model.
        FileExistsError: if the folder exists.
        OSError: if it cannot be downloaded or written.
    """
    folder = Path(out)
    if folder.exists():
        raise FileExistsError(f"a downloaded model needs a new folder, and {folder} exists; name another")
    kept = Path(local(PREFIX + name.removeprefix(PREFIX), revision))
    with new_folder(folder) as part:
        for file in FILES:
            if (kept / file).is_file():
                shutil.copyfile(kept / file, part / file)
    return folder


def upload(folder: Path, name: str, private: bool = False) -> str:
    """Upload a folder as the model ``owner/name``, which is made if it is new; return its address.

    Raises:
        ValueError: if the name has another form, or the hub refuses it, as without a token.
        OSError: if the hub cannot be reached.
    """
    from huggingface_hub import HfApi

    name = checked(name.removeprefix(PREFIX))
    with sentences(name, "uploaded"):
        api = HfApi(library_name="quasistatic")
        address = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="Upload a quasistatic model")
        return str(address)


def checked(name: str) -> str:
    """Return ``name``.

    Raises:
        ValueError: if it is not ``owner/name``.
    """
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
        raise ValueError(f"a model on the hub is named owner/name, got {brief(name)}")
    return name


@contextmanager
def sentences(name: str, done: str) -> Iterator[None]:
    """Turn errors of the hub's client into one sentence each."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except RevisionNotFoundError:
        raise ValueError(f"the hub's model {name} has no such revision; see its page for branches and tags") from None
    except (HfHubHTTPError, LocalTokenNotFoundError) as error:
        if isinstance(error, LocalEntryNotFoundError):  # before version 1 of the client, as if the hub had answered
            raise _unreachable(name, done, error) from None
        answer = getattr(error, "response", None)
        code = f" (status {answer.status_code})" if answer is not None else ""
        raise ValueError(
            f"{name} could not be {done}: the hub has no such model, or you may not use it{code}; look at the name, or "
            "log in with `hf auth login`"
        ) from None
    except Exception as error:
        raise _unreachable(name, done, error) from None


def _unreachable(name: str, done: str, error: Exception) -> OSError:
    from huggingface_hub import constants

    where = f" and is not in the cache {constants.HF_HUB_CACHE}" if done == "downloaded" else ""
    why = brief(f"{type(error).__name__}: {' '.join(str(error).split())}")
    return OSError(
        f"{name} could not be {done}{where}: the hub cannot be reached; check the network, or use a folder of this "
        f"machine ({why})"
    )
