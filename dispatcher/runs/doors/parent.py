"""The proxy that this machine itself must use to get out, as its environment names it. Standard library only."""

import base64
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from dispatcher.core.hosts import is_public, parse_address
from dispatcher.runs.doors.wire import Refusal

CONNECT_S = 20.0
_MOST_HEAD_BYTES = 16_384


class ParentProxy:
    """Opens tunnels through an `http://[user:password@]host:port` proxy, but for the hosts that are left out of it."""

    def __init__(self, url: str, left_out: str) -> None:
        self._url = urlsplit(url)
        self._left_out = [word.strip().lower().lstrip(".") for word in left_out.split(",") if word.strip()]

    def takes(self, host: str) -> bool:
        """Whether this host is reached through the proxy."""
        name, address = host.lower(), parse_address(host)
        if name == "localhost" or (address is not None and not is_public(address)):
            return False
        return "*" not in self._left_out and not any(
            name == one or name.endswith(f".{one}") for one in self._left_out
        )

    def dial(self, host: str, port: int) -> socket.socket:
        """A connection to the host, through the proxy. Raises Refusal when the proxy does not make one."""
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}", *_credentials(self._url)]
        link = self._reach()
        try:
            link.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
            head = _read_head(link)
        except OSError as error:
            link.close()
            raise Refusal(502, f"this machine's proxy broke off: {type(error).__name__}") from None
        status = head.split(b" ", 2)[1:2]
        if status != [b"200"]:
            link.close()
            raise Refusal(502, f"this machine's proxy does not let {where} through")
        return link

    def _reach(self) -> socket.socket:
        try:
            return socket.create_connection(
                (self._url.hostname or "", self._url.port or 3128), timeout=CONNECT_S
            )
        except OSError as error:
            raise Refusal(502, f"this machine's proxy does not answer: {type(error).__name__}") from None


def find_parent(environment: Mapping[str, str]) -> tuple[str, str]:
    """The proxy's address and the hosts that go without it, as the environment has them; "" for none.

    Only plain `http://` proxies are known; another one is taken for none.
    """
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY")
    url = next((environment[name] for name in names if environment.get(name)), "")
    if url and "://" not in url:
        url = f"http://{url}"
    left_out = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return (url, left_out) if urlsplit(url).scheme == "http" else ("", "")


def _credentials(url: SplitResult) -> tuple[str, ...]:
    if not url.username:
        return ()
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
    return (f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}",)


def _read_head(link: socket.socket) -> bytes:
    """The proxy's answer and not one byte more: what follows belongs to the tunnel."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < _MOST_HEAD_BYTES:
        sign = link.recv(1)
        if not sign:
            break
        head += sign
    return head
