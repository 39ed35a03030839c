"""HTTP/1.1 between an agent and its doorkeeper: reading requests strictly, passing answers on as they come. Standard library only."""

import http.client
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

MOST_HEAD_BYTES = 65_536
MOST_LINE_BYTES = 32_768
MOST_HEADERS = 128
PIECE_BYTES = 65_536

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that speak of one connection (RFC 9110, 7.6.1): never passed on."""

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
_ENDS = (b"\r\n", b"\n")


class Refusal(Exception):
    """A request that gets an answer of ours instead of being passed on."""

    def __init__(self, status: int, text: str, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.retry_after_s = retry_after_s


class Ask:
    """One request: method, target as written, headers with lower-case names, and how its body is framed.

    `length` None means chunked.
    """

    __slots__ = ("headers", "is_http_1_0", "length", "method", "target")

    def __init__(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        length: int | None,
        *,
        is_http_1_0: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.length = length
        self.is_http_1_0 = is_http_1_0

    def header(self, name: str) -> str:
        """The first header of that name, or ""."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def wants_close(self) -> bool:
        """Whether the connection ends with this request."""
        words = self.header("connection").lower()
        return "close" in words or self.is_http_1_0


def read_ask(reader: BinaryIO) -> Ask | None:
    """The next request's head; None when the connection ends. Raises Refusal for what is not plainly HTTP/1."""
    line = _read_line(reader, MOST_LINE_BYTES)
    if not line:
        return None
    words = line.decode("latin-1").rstrip("\r\n").split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.1", "HTTP/1.0"} or not _TARGET.fullmatch(words[1]):
        raise Refusal(400, "this is not an HTTP/1.1 request")
    if not _TOKEN.fullmatch(words[0].encode("latin-1")):
        raise Refusal(400, "the method is not a word")
    headers = _read_headers(reader)
    return Ask(words[0], words[1], headers, _framing(headers), is_http_1_0=words[2] == "HTTP/1.0")


class Body:
    """A request's body, piece by piece; `size_bytes` is what came so far, `is_over` whether all of it came.

    Iterating raises Refusal when it is malformed, cut off, or longer than the limit.
    """

    __slots__ = ("_limit_bytes", "_pieces", "is_over", "size_bytes")

    def __init__(self, reader: BinaryIO, ask: Ask, limit_bytes: int) -> None:
        self._pieces = _read_chunks(reader) if ask.length is None else _read_counted(reader, ask.length)
        self._limit_bytes = limit_bytes
        self.size_bytes = 0
        self.is_over = ask.length == 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size_bytes += len(piece)
            if self.size_bytes > self._limit_bytes:
                raise Refusal(413, f"the request is longer than {self._limit_bytes} bytes")
            yield piece
        self.is_over = True


def pass_on(
    upstream: http.client.HTTPConnection,
    ask: Ask,
    path: str,
    headers: Iterable[tuple[str, str]],
    body: Body,
) -> http.client.HTTPResponse:
    """Send the request upstream with these headers; returns the answer, whose body is still to come.

    Raises Refusal (502) when there is no answer.
    """
    try:
        return _pass_on(upstream, ask, path, headers, body)
    except (OSError, http.client.HTTPException) as error:
        raise Refusal(502, f"no answer from {upstream.host}: {type(error).__name__}: {error}") from None


def end_to_end(headers: Iterable[tuple[str, str]], *dropped: str) -> list[tuple[str, str]]:
    """The headers that are not about one connection or the length, without those that are dropped."""
    left_out = {*HOP_BY_HOP, "content-length", "expect", *dropped}
    return [(name.lower(), value) for name, value in headers if name.lower() not in left_out]


def _pass_on(
    upstream: http.client.HTTPConnection,
    ask: Ask,
    path: str,
    headers: Iterable[tuple[str, str]],
    body: Body,
) -> http.client.HTTPResponse:
    upstream.putrequest(ask.method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        upstream.putheader(name, value)
    has_chunks = ask.length is None
    if has_chunks:
        upstream.putheader("transfer-encoding", "chunked")
    elif ask.length:
        upstream.putheader("content-length", str(ask.length))
    # It may have answered, and hung up, before it had heard everything.
    with suppress(BrokenPipeError, ConnectionResetError):
        upstream.endheaders(body if has_chunks or ask.length else None, encode_chunked=has_chunks)
    return upstream.getresponse()


def send_answer(
    writer: BinaryIO,
    ask: Ask,
    answer: http.client.HTTPResponse,
    headers: Iterable[tuple[str, str]],
    limit_bytes: int | None = None,
) -> bool:
    """Pass an answer on as it comes. Returns whether all of it went, so that the connection can go on.

    An answer that is cut off, or longer than the limit, ends the connection, so that nobody takes it for a whole one.
    """
    has_body = ask.method != "HEAD" and answer.status not in {204, 304} and answer.status >= 200
    length = answer.length if has_body else None
    is_chunked = has_body and length is None and not ask.is_http_1_0
    lines = [f"HTTP/1.1 {answer.status} {_plain(answer.reason)}"]
    lines += [f"{name}: {_plain(value)}" for name, value in headers]
    if length is not None:
        lines.append(f"content-length: {length}")
    if is_chunked:
        lines.append("transfer-encoding: chunked")
    if ask.wants_close:
        lines.append("connection: close")
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
    writer.flush()
    return _send_body(writer, answer, length, limit_bytes, is_chunked=is_chunked) if has_body else True


def send_refusal(writer: BinaryIO, refusal: Refusal) -> None:
    """An answer of ours, as plain text; the connection ends with it."""
    body = f"dispatcher: {refusal.text}\n".encode()
    reason = http.client.responses.get(refusal.status, "Refused")
    lines = [f"HTTP/1.1 {refusal.status} {reason}", "content-type: text/plain; charset=utf-8"]
    lines += [f"content-length: {len(body)}", "connection: close"]
    if refusal.retry_after_s is not None:
        lines.append(f"retry-after: {refusal.retry_after_s}")
    writer.write("\r\n".join([*lines, "", ""]).encode("ascii") + body)
    writer.flush()


def _send_body(
    writer: BinaryIO,
    answer: http.client.HTTPResponse,
    length: int | None,
    limit_bytes: int | None,
    *,
    is_chunked: bool,
) -> bool:
    sent_bytes = 0
    while piece := answer.read1(PIECE_BYTES):
        sent_bytes += len(piece)
        if limit_bytes is not None and sent_bytes > limit_bytes:
            return False
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        writer.flush()
    if is_chunked:
        writer.write(b"0\r\n\r\n")
        writer.flush()
    return is_chunked or sent_bytes == length


def _read_line(reader: BinaryIO, limit_bytes: int) -> bytes:
    line = reader.readline(limit_bytes + 1)
    if len(line) > limit_bytes:
        raise Refusal(431, "a line of the request is too long")
    if line and not line.endswith(b"\n"):
        raise Refusal(400, "the request is cut off")
    return line


def _read_headers(reader: BinaryIO) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    left = MOST_HEAD_BYTES
    while (line := _read_line(reader, MOST_LINE_BYTES)) not in _ENDS:
        left -= len(line)
        if left < 0 or len(headers) >= MOST_HEADERS:
            raise Refusal(431, "the request has too many headers")
        name, colon, value = line.partition(b":")
        text = value.strip(b" \t\r\n")
        if not colon or not _TOKEN.fullmatch(name) or any(sign in text for sign in b"\r\n\0"):
            raise Refusal(400, "a header of the request is malformed")
        headers.append((name.decode("ascii").lower(), text.decode("latin-1")))
    return headers


def _framing(headers: list[tuple[str, str]]) -> int | None:
    """How long the body is; None for chunked. Two opinions about it are how requests are smuggled: refused."""
    lengths = {value for name, value in headers if name == "content-length"}
    encodings = [value.lower() for name, value in headers if name == "transfer-encoding"]
    if encodings:
        if lengths or encodings != ["chunked"]:
            raise Refusal(400, "the request says its length in two ways")
        return None
    if not lengths:
        return 0
    length = lengths.pop()
    if lengths or not length.isascii() or not length.isdigit() or len(length) > 15:
        raise Refusal(400, "the request's length is malformed")
    return int(length)


def _read_counted(reader: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0:
        piece = reader.read1(min(length, PIECE_BYTES)) if hasattr(reader, "read1") else reader.read(length)
        if not piece:
            raise Refusal(400, "the request is cut off")
        length -= len(piece)
        yield piece


def _read_chunks(reader: BinaryIO) -> Iterator[bytes]:
    while True:
        size = _read_line(reader, 256).split(b";", 1)[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", size):
            raise Refusal(400, "a chunk of the request is malformed")
        count = int(size, 16)
        if count == 0:
            while _read_line(reader, MOST_LINE_BYTES) not in {*_ENDS, b""}:
                pass  # trailers are dropped
            return
        yield from _read_counted(reader, count)
        if _read_line(reader, 2) not in _ENDS:
            raise Refusal(400, "a chunk of the request is malformed")


def _plain(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable() and ord(sign) < 256)
