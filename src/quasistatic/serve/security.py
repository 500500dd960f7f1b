"""Decides who may ask: the token, the host and the origin of a request; adds the headers that confine the page.

The opened address has a random token. It is exchanged for a cookie that only this site sends. A page elsewhere
can neither guess the token, nor send the cookie, nor pass for this host after DNS has been rebound: a name that is not
listed is refused.
"""

import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

NO_TOKEN = "this page needs its token: open the address that `quasistatic serve` printed in the terminal"
"""Said to a request without the cookie, or with that of an earlier server."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Door:
    """Who is let in.

    Attributes:
        port: of the server.
        names: hosts that a request may be for, besides the loopback ones.
        any_address: let requests for any IP address in; names are what DNS can rebind, addresses are not.
        token: in the opened address.
        session: in the cookie.
    """

    port: int
    names: tuple[str, ...] = ()
    any_address: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def cookie(self) -> str:
        """Name of the cookie; servers on several ports share a host's cookies."""
        return f"quasistatic-{self.port}"

    def knows_host(self, host: str) -> bool:
        """Return whether a request may be for ``host``, as in the header."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname, parts.port
        except ValueError:
            return False
        if name is None or (port or 80) != self.port or parts.username is not None:
            return False
        return name in (*LOOPBACK, *self.names) or (self.any_address and _is_address(name))

    def knows_origin(self, origin: str) -> bool:
        """Return whether ``origin`` is this page."""
        return origin.startswith("http://") and self.knows_host(origin.removeprefix("http://"))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Lets only those in that the `Door` knows; wraps the whole server."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app, self.door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        refused = self._refusal(scope)

        async def confined(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        if refused is not None:
            return await refused(scope, receive, confined)
        await self.app(scope, receive, confined)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that goes no further; None lets it in."""
        headers = Headers(scope=scope)
        if not self.door.knows_host(headers.get("host", "")):
            return refusal(403, "this server answers requests for its own address only, got another host")
        origin = headers.get("origin")
        if origin is not None and not self.door.knows_origin(origin):
            return refusal(403, "this server answers its own page only, got a request from another")
        if scope["method"] not in ("GET", "HEAD") and origin is None:
            return refusal(403, "a request that changes something comes from the page, got one without an origin")
        if (given := _token(scope)) is not None and scope["path"] == "/" and _same(given, self.door.token):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self.door.cookie, self.door.session, httponly=True, samesite="strict", path="/")
            return answer
        if _same(_cookie(headers.getlist("cookie"), self.door.cookie), self.door.session):
            return None
        return PlainTextResponse(NO_TOKEN + "\n", 401) if scope["path"] == "/" else refusal(401, NO_TOKEN)


def refusal(status: int, sentence: str) -> JSONResponse:
    """Return an error as the page reads it: one sentence."""
    return JSONResponse({"error": sentence}, status)


def _token(scope: Scope) -> str | None:
    try:
        found = parse_qs(scope["query_string"].decode("ascii")).get("token")
    except ValueError:
        return None
    return found[0] if found else None


def _cookie(lines: Iterable[str], name: str) -> str:
    for line in lines:
        try:
            morsel = SimpleCookie(line).get(name)
        except CookieError:
            continue
        if morsel is not None:
            return morsel.value
    return ""


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
