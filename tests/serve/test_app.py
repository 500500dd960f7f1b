"""What the addresses answer: runs by id, uploads within limits, jobs; 4xx in one sentence for all else."""

import random
import re

import pytest
from starlette.testclient import TestClient

from quasistatic.serve.app import Page
from quasistatic.serve.jobs import MOST_QUEUED

ADDRESS = "http://127.0.0.1:8642"


def run_called(client: TestClient, name: str) -> str:
    return next(run["id"] for run in client.get("/api/runs").json()["runs"] if run["name"] == name)


def test_a_run_is_told_by_its_id(client: TestClient) -> None:
    found = client.get(f"/api/runs/{run_called(client, 'digits')}").json()
    assert found["about"]["config"]["data"]["source"] == "digits"
    curves = client.get(f"/api/runs/{found['id']}/curves").json()
    assert len(curves["step"]) == len(curves["loss"]) == len(curves["held_out"])
    picture = client.get(f"/api/runs/{found['id']}/grids/{found['grids'][-1]}")
    assert picture.content.startswith(b"\x89PNG")


@pytest.mark.parametrize("path", ["runs/0", "runs/..%2f..", "runs/0/curves", "runs/0/grids/1", "jobs/0/result"])
def test_what_is_unknown_is_404_in_one_sentence(client: TestClient, path: str) -> None:
    answer = client.get(f"/api/{path}")
    assert answer.status_code == 404
    assert_one_sentence(answer.json()["error"])


def assert_one_sentence(text: str) -> None:
    assert text
    assert "\n" not in text
    assert "Traceback" not in text
    assert not re.search(r"(?<![\w.])/(tmp|home|root|work|usr)/", text), text


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"kind": "rm"}', b'{"kind": "sample", "run": 7}', b"NaN", b"[" * 9999]
)
def test_a_job_that_makes_no_sense_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/jobs", content=body)
    assert answer.status_code in (400, 404)
    assert_one_sentence(answer.json()["error"])


def test_jobs_are_queued_up_to_a_limit_and_can_be_cancelled(client: TestClient) -> None:
    run = run_called(client, "digits")
    made = [client.post("/api/jobs", json={"kind": "sample", "run": run, "seed": seed}) for seed in range(MOST_QUEUED)]
    assert {answer.status_code for answer in made} == {202}
    again = client.post("/api/jobs", json={"kind": "sample", "run": run, "seed": 3}).json()
    assert again["id"] == made[3].json()["id"], "the same request waits once"
    full = client.post("/api/jobs", json={"kind": "sample", "run": run, "seed": 1000})
    assert full.status_code == 429
    assert client.post(f"/api/jobs/{again['id']}/cancel", json={}).json()["state"] == "cancelled"
    assert client.post("/api/jobs", json={"kind": "sample", "run": run, "seed": 1000}).status_code == 202
    assert client.get(f"/api/jobs/{again['id']}/result").status_code == 404


def test_a_part_is_there_before_its_job_has_ended(client: TestClient, page: Page) -> None:
    run = run_called(client, "digits")
    told = client.post("/api/jobs", json={"kind": "complete", "run": run}).json()
    job, path = page.jobs.jobs[told["id"]], f"/api/jobs/{told['id']}/parts"
    assert client.get(f"{path}/0").status_code == 404
    page.jobs.folder(job).mkdir(parents=True)
    for number in range(2):
        (page.jobs.folder(job) / f"part-{number}.json").write_text(f'{{"draws": [{number}]}}')
    job.parts = 1
    assert client.get(f"{path}/0").json() == {"draws": [0]}
    assert client.get(f"{path}/1").status_code == 404, "it was not told yet"
    assert client.get(f"{path}/-1").status_code == 404


def test_uploads_are_numbered_files_whatever_they_are_called(client: TestClient, page: Page) -> None:
    key = client.post("/api/uploads", params={"name": "../../etc/a b.PNG"}, content=b"one").json()["upload"]
    client.post("/api/uploads", params={"name": "x" * 500, "into": key}, content=b"two")
    names = sorted(path.name for path in page.uploads.folder(key).iterdir())
    assert names == ["00000.png", "00001", "names.json"]
    assert {path.parent for path in page.uploads.root.rglob("*.png")} == {page.uploads.folder(key)}


def test_uploads_have_limits(client: TestClient, page: Page) -> None:
    assert client.post("/api/uploads", content=b"").status_code == 400
    assert client.post("/api/uploads", params={"into": "none"}, content=b"x").status_code == 404
    large = client.post("/api/uploads", content=b"x" * (page.uploads.most + 1))
    assert large.status_code == 413
    assert "1 MB" in large.json()["error"]
    key = client.post("/api/uploads", content=b"x" * (page.uploads.most - 10)).json()["upload"]
    assert client.post("/api/uploads", params={"into": key}, content=b"x" * 11).status_code == 413
    assert client.post("/api/uploads", params={"into": key}, content=b"x" * 9).status_code == 200


@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.slow)])
def test_odd_requests_are_each_refused_in_a_sentence(client: TestClient, count: int) -> None:
    draw = random.Random(24)
    paths = [
        "/",
        "/api/runs",
        "/api/jobs",
        "/api/uploads",
        "/static/",
        "/api/runs/x/grids/",
        "/api/jobs/x/files/",
        "//",
    ]
    odd = ["..", "%00", "%2e%2e%2fetc%2fpasswd", "\\", "?token=", "a" * 4000, "é", "%ff", "0" * 30, "-1", "{run}", "#"]
    counts: dict[int, int] = {}
    for _ in range(count):
        path = draw.choice(paths) + "".join(draw.choice(odd) for _ in range(draw.randint(0, 2)))
        kind = draw.choice(["application/json", "multipart/form-data; boundary=x", "multipart/form-data", "text/\x7f"])
        body = draw.choice([draw.randbytes(draw.randint(0, 300)), b"--x\r\n\r\n", b'{"kind": "sample"}', b"null"])
        method = draw.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
        answer = client.request(method, ADDRESS + path, content=body, headers={"content-type": kind})
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
        if answer.status_code >= 400:
            assert_one_sentence(answer.json()["error"])
    assert max(counts) < 500, counts
    assert sum(count for status, count in counts.items() if status >= 400) > count / 2, counts
