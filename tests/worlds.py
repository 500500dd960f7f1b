"""Runs on several processes of one machine: a fresh process imports once, and forks the ranks of each stage.

    stages = [Stage(count=1, until=7), Stage(count=3, until=20, resume=True)]
    runs(kind, folder, stages)

As a script it is the fresh process: `python worlds.py FILE`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


@dataclass(frozen=True)
class Stage:
    """A part of a run: on ``count`` processes, up to the step ``until``, in the folder ``out``."""

    count: int
    out: str
    until: int = 20
    resume: bool = False
    changes: tuple[str, ...] = ()
    gradient: bool = False
    """Keep the gradient of the last step, in ``out``.pt."""
    dies: int | None = None
    """The rank that kills itself at the step ``until``; what the others say goes to ``out``-RANK.txt."""
    asks: int | None = None
    """The rank that alone is asked to stop at the step ``until``."""


def runs(kind: str, folder: Path, stages: list[Stage]) -> None:
    """Run the stages of data of a kind, one after another."""
    file = folder / "stages.json"
    file.write_text(json.dumps([asdict(stage) for stage in stages]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "QUASISTATIC_DEVICE": "cpu", "PYTHONPATH": str(SOURCE)}
    words = [sys.executable, str(Path(__file__)), kind, str(folder), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def data_of(kind: str, folder: Path):  # type: ignore[no-untyped-def]
    """The data set of a kind, and its small run."""
    import pandas as pd
    import torch

    from quasistatic.config import override
    from quasistatic.data import load
    from quasistatic.recipes import recipe

    generator = torch.Generator().manual_seed(0)
    changes = ["training.batch=8", "training.steps=40", "training.held_out_every=1e9", "training.checkpoint_every=1e9"]
    if kind == "digits":
        data = load("digits")
        changes += ["network.channels=8", "network.head_width=none", "data.conditional=true", "training.shown=0.5"]
        changes += ["data.held_out=360"]
    elif kind == "text":
        file = folder / "letters.txt"
        file.write_text("".join("abcd "[i] for i in torch.randint(5, (1200,), generator=generator).tolist()))
        data = load(str(file), length=12)
        changes += ["network.width=16", "network.depth=1", "network.head_width=8", "network.embedding=4"]
        changes += ["network.contexts=200", "data.length=12", "data.held_out=10"]
    elif kind == "table":
        numbers = torch.randn(300, 4, generator=generator)
        data = load(pd.DataFrame(numbers.numpy(), columns=list("abcd")).assign(g=list("uvw") * 100))
        changes += ["network.width=16", "network.depth=1", "data.held_out=20"]
    else:
        data = load("heartbeat", limit=400)
        changes += ["network.width=8", "network.depth=1", "data.held_out=8"]
    return data, override(recipe(None, data, kind), changes)


def _rank(kind: str, folder: Path, stage: Stage) -> None:
    import torch

    from quasistatic.config import override
    from quasistatic.training import checkpoint
    from quasistatic.training.loop import Training

    torch.set_num_threads(1)
    data, config = data_of(kind, folder)
    config, out, update = override(config, list(stage.changes)), folder / stage.out, Training._update

    def kept(training: Training) -> torch.Tensor:
        if training.step == stage.until - 1 and training.accelerator.is_main_process:
            named = training.accelerator.unwrap_model(training.network).named_parameters()
            torch.save({name: value.grad.clone() for name, value in named}, folder / f"{stage.out}.pt")
        return update(training)

    if stage.gradient:
        Training._update = kept  # type: ignore[method-assign]
    rank, step = int(os.environ.get("RANK", "0")), [0]
    stop = lambda: rank == stage.asks and step[0] >= stage.until - 1  # noqa: E731
    try:
        for progress in checkpoint.train(config, data, out, resume=stage.resume, every=0.0, stop=stop):
            step[0] = progress.step
            if progress.step == stage.until and rank == stage.dies:
                os.kill(os.getpid(), signal.SIGKILL)
            if progress.step == stage.until and stage.dies is None and stage.asks is None:
                break
    except ConnectionError as error:
        (folder / f"{stage.out}-{rank}.txt").write_text(str(error))
    if stage.asks is not None:
        (folder / f"{stage.out}-{rank}.txt").write_text(str(step[0]))


def main(kind: str, folder: Path, stages: list[Stage]) -> int:
    """Fork the ranks of each stage; the exit status is 1 if one fails."""
    import quasistatic.training  # noqa: F401  imported once, for all ranks

    for stage in stages:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        ranks = []
        for rank in range(stage.count):
            child = os.fork()
            if child:
                ranks.append(child)
                continue
            places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": stage.count, "LOCAL_WORLD_SIZE": stage.count}
            if stage.count > 1:
                os.environ |= {name: str(value) for name, value in places.items()}
                os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "1"}
            code = 1
            try:
                _rank(kind, folder, stage)
                code = 0
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        codes = [os.waitpid(child, 0)[1] for child in ranks]
        if any(code for rank, code in enumerate(codes) if rank != stage.dies):
            return 1
    return 0


if __name__ == "__main__":
    told = [Stage(**{**row, "changes": tuple(row["changes"])}) for row in json.loads(Path(sys.argv[3]).read_text())]
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), told))
