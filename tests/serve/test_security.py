"""Who is let in: the token, the cookie, the host and the origin; and what every answer says to the browser."""

import pytest
from starlette.testclient import TestClient

from quasistatic.serve.security import NO_TOKEN, Door

ADDRESS = "http://127.0.0.1:8642"


def test_the_token_opens_the_page_and_becomes_a_cookie_of_this_site_only(outside: TestClient, door: Door) -> None:
    answer = outside.get("/", params={"token": door.token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "samesite=strict" in cookie
    assert "httponly" in cookie
    assert door.token not in answer.headers["set-cookie"]
    assert outside.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/runs", "/api/events", "/static/main.js", "/nowhere"])
def test_nothing_is_told_without_the_cookie(outside: TestClient, path: str) -> None:
    for answer in (outside.get(path), outside.get(path, params={"token": "guess"})):
        assert answer.status_code == 401
        assert NO_TOKEN in answer.text


def test_a_cookie_of_an_earlier_server_has_expired(outside: TestClient, door: Door) -> None:
    outside.cookies.set(door.cookie, "earlier")
    assert outside.get("/api/runs").json() == {"error": NO_TOKEN}


@pytest.mark.parametrize(
    "host",
    ["evil.example:8642", "127.0.0.1:8643", "127.0.0.1", "evil.example", "127.0.0.1.evil.example:8642", "", "[::1"],
)
def test_another_host_is_refused_so_rebinding_dns_gains_nothing(client: TestClient, host: str) -> None:
    assert client.get("/api/runs", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost:8642", "[::1]:8642", "LOCALHOST:8642"])
def test_the_loopback_names_are_this_host(client: TestClient, host: str) -> None:
    assert client.get("/api/runs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8642", "http://127.0.0.1:1"])
def test_another_origin_is_refused(client: TestClient, origin: str) -> None:
    assert client.get("/api/runs", headers={"origin": origin}).status_code == 403
    assert client.post("/api/jobs", json={}, headers={"origin": origin}).status_code == 403


def test_a_change_needs_an_origin(client: TestClient) -> None:
    del client.headers["origin"]
    assert client.post("/api/jobs", json={}).status_code == 403


def test_a_server_of_every_address_knows_addresses_but_no_names() -> None:
    door = Door(80, any_address=True)
    assert door.knows_host("192.168.0.7:80")
    assert not door.knows_host("evil.example:80")
    assert not Door(80).knows_host("192.168.0.7:80")


@pytest.mark.parametrize("path", ["/", "/api/runs", "/api/runs/none", "/static/main.js", "/static/none.js"])
def test_every_answer_confines_the_page(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
