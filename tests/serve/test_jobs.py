"""The queue: order, progress, cancelling, a worker that dies; with a worker of a few lines in place of the real one."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from quasistatic.serve import jobs
from quasistatic.serve.jobs import Job, Jobs

WORKER = """
import json, sys, threading, queue, os
print_ = lambda **fields: print(json.dumps(fields), flush=True)
asked, stop = queue.SimpleQueue(), set()
def listen():
    for line in sys.stdin:
        message = json.loads(line)
        stop.add(message["cancel"]) if "cancel" in message else asked.put(message)
    os._exit(0)
sys.stdin.readline()
threading.Thread(target=listen, daemon=True).start()
while True:
    job = asked.get()
    if job["kind"] == "die":
        os._exit(9)
    if job["kind"] == "hang":
        threading.Event().wait()
    for done in range(job["request"].get("steps", 3)):
        print_(id=job["id"], state="running", done=done, total=9)
        threading.Event().wait(job["request"].get("pause", 0.005))
        if job["id"] in stop:
            break
    print_(id=job["id"], state="cancelled" if job["id"] in stop else "done", parts=2)
    stop.discard(job["id"])
"""


def with_jobs(tmp_path: Path, do: Callable[[Jobs], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        work = Jobs(tmp_path, {}, (sys.executable, "-c", WORKER))
        work.start()
        try:
            return await asyncio.wait_for(do(work), 30)
        finally:
            await work.stop()

    with ThreadPoolExecutor(1) as apart:  # a browser test may have left an event loop in this thread
        return apart.submit(asyncio.run, main()).result()


async def ended(job: Job) -> str:
    while job.state in (jobs.WAITING, jobs.RUNNING):
        await asyncio.sleep(0.005)
    return job.state


def test_fifty_jobs_all_end_and_every_tab_sees_each_of_them(tmp_path: Path) -> None:
    async def do(work: Jobs) -> None:
        seen: list[set[str]] = [set(), set()]

        async def tab(own: set[str]) -> None:
            async for told in work.events():
                if told is not None and told["state"] == "done":
                    own.add(told["id"])

        tabs = [asyncio.create_task(tab(own)) for own in seen]
        await asyncio.sleep(0)
        queued = [work.submit(Job("sample", {"seed": seed}, {})) for seed in range(50)]
        assert {await ended(job) for job in queued} == {jobs.DONE}
        await asyncio.sleep(0.05)
        for one in tabs:
            one.cancel()
        assert seen == [{job.id for job in queued}] * 2

    with_jobs(tmp_path, do)


def test_a_tab_that_reads_slowly_still_hears_how_each_job_ended(tmp_path: Path) -> None:
    async def do(work: Jobs) -> None:
        heard = work.events()
        asyncio.get_running_loop().call_soon(work.submit, Job("sample", {"seed": -1}, {}))
        await anext(heard)
        queued = [work.submit(Job("sample", {"seed": seed, "steps": 60, "pause": 0}, {})) for seed in range(40)]
        for job in queued:
            await ended(job)
        last = {}
        while (told := await anext(heard)) is not None:
            last[told["id"]] = told["state"]
        assert [last[job.id] for job in queued] == [jobs.DONE] * 40

    with_jobs(tmp_path, do)


def test_what_the_user_waits_for_comes_before_previews(tmp_path: Path) -> None:
    async def do(work: Jobs) -> None:
        order: list[str] = []
        first = work.submit(Job("sample", {"seed": 0, "steps": 20}, {}))
        previews = [work.submit(Job("preview", {"seed": seed}, {}, urgent=False)) for seed in range(3)]
        urgent = work.submit(Job("sample", {"seed": 9}, {}))
        async for told in work.events():
            if told is not None and told["state"] == "done":
                order.append(told["id"])
            if len(order) == 5:
                break
        assert order == [first.id, urgent.id, *(job.id for job in previews)]

    with_jobs(tmp_path, do)


def test_a_running_preview_makes_way_and_begins_again(tmp_path: Path) -> None:
    async def do(work: Jobs) -> None:
        preview = work.submit(Job("preview", {"steps": 400}, {}, urgent=False))
        while preview.done < 3:
            await asyncio.sleep(0.005)
        urgent = work.submit(Job("sample", {}, {}))
        assert await ended(urgent) == jobs.DONE
        assert preview.state in (jobs.WAITING, jobs.RUNNING)
        assert preview.done < 390, "it did not run to its end first"
        preview.request["steps"] = 3
        assert await ended(preview) == jobs.DONE

    with_jobs(tmp_path, do)


def test_a_preview_that_makes_way_can_be_cancelled(tmp_path: Path) -> None:
    async def do(work: Jobs) -> None:
        preview = work.submit(Job("preview", {"steps": 400}, {}, urgent=False))
        while preview.done < 3:
            await asyncio.sleep(0.005)
        urgent = work.submit(Job("sample", {}, {}))
        work.cancel(preview)
        assert (await ended(urgent), await ended(preview)) == (jobs.DONE, jobs.CANCELLED)

    with_jobs(tmp_path, do)


def test_a_running_job_stops_when_cancelled_and_the_next_begins(tmp_path: Path) -> None:
    async def do(work: Jobs) -> None:
        long, after = work.submit(Job("sample", {"steps": 100_000}, {})), work.submit(Job("sample", {}, {}))
        while long.done < 3:
            await asyncio.sleep(0.005)
        work.cancel(long)
        assert (await ended(long), await ended(after)) == (jobs.CANCELLED, jobs.DONE)

    with_jobs(tmp_path, do)


def test_what_is_asked_again_after_a_cancel_is_work_of_its_own(tmp_path: Path) -> None:
    async def do(work: Jobs) -> None:
        first = work.submit(Job("sample", {"steps": 400}, {}))
        assert work.submit(Job("sample", {"steps": 400}, {})) is first
        while first.done < 3:
            await asyncio.sleep(0.005)
        work.cancel(first)
        again = work.submit(Job("sample", {"steps": 400}, {}))
        assert again is not first
        assert (await ended(first), await ended(again)) == (jobs.CANCELLED, jobs.DONE)

    with_jobs(tmp_path, do)


def test_a_worker_that_dies_fails_its_job_only(tmp_path: Path) -> None:
    async def do(work: Jobs) -> None:
        bad, good = work.submit(Job("die", {}, {})), work.submit(Job("sample", {}, {}))
        assert await ended(bad) == jobs.FAILED
        assert "worker ended" in (bad.sentence or "")
        assert await ended(good) == jobs.DONE

    with_jobs(tmp_path, do)


def test_a_job_that_does_not_stop_is_ended(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(jobs, "PATIENCE", 0.05)

    async def do(work: Jobs) -> None:
        bad, good = work.submit(Job("hang", {}, {})), work.submit(Job("sample", {}, {}))
        while bad.state != jobs.RUNNING:
            await asyncio.sleep(0.005)
        work.cancel(bad)
        assert await ended(bad) in (jobs.CANCELLED, jobs.FAILED)
        assert await ended(good) == jobs.DONE

    with_jobs(tmp_path, do)


def test_results_of_old_jobs_are_removed(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(jobs, "MOST_KEPT", 5)

    async def do(work: Jobs) -> None:
        for seed in range(12):
            await ended(work.submit(Job("sample", {"seed": seed, "steps": 1}, {})))
        assert len(work.jobs) <= 6
        assert len(list(tmp_path.iterdir())) == len(work.jobs)

    with_jobs(tmp_path, do)
