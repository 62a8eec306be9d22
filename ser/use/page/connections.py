"""HTTP connections that end when their client keeps them waiting, and that are not too many."""

import asyncio
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ser.use.page.bodies import PATIENCE
from ser.use.page.visitors import visitor_of

MOST = 400  # connections at once; each needs a file descriptor, of which many systems allow 1024
MOST_OF_VISITOR = 128
_LINGERING = 5.0  # seconds within which what follows an early answer is ignored
_READING = 60.0  # seconds within which a client must take some part of its answer
_EVERY = 5.0  # seconds from one look at a connection to the next


class Connection(H11Protocol):
    """A connection whose client must send a whole request head, and must read its answer.

    Uvicorn itself waits for both without end. The time for a body is limited where it is received,
    see `ser.use.page.bodies`; here, only what follows an answer given before the body's end.
    """

    behind_proxy = False  # all visitors have the proxy's address

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch a new connection, or refuse it."""
        super().connection_made(transport)
        self._since = self._taken = self.loop.time()  # of the client's last progress
        self._unsent = 0  # bytes
        self._watch = self.loop.call_later(_EVERY, self._look)
        self.visitor = visitor_of(self.client)
        watched = [each for each in self.connections if isinstance(each, Connection)]
        theirs = sum(each.visitor == self.visitor for each in watched)
        if len(watched) > MOST or (theirs > MOST_OF_VISITOR and not self.behind_proxy):
            self._end(503, "This page has too many visitors: please try again later.")

    def connection_lost(self, exc: Exception | None) -> None:
        """End watching."""
        self._watch.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._since = self.loop.time()
        super().on_response_complete()

    def resume_writing(self) -> None:
        """Note that the client takes its answer."""
        self._taken = self.loop.time()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, unless it follows the beginning of an answer."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def _look(self) -> None:
        now, unsent = self.loop.time(), self.transport.get_write_buffer_size()
        if not unsent or unsent < self._unsent:
            self._taken = now
        self._unsent = unsent
        is_owed_a_request = self.cycle is None or self.cycle.response_complete
        patience = _LINGERING if self.conn.their_state is h11.SEND_BODY else PATIENCE
        if now - self._taken > _READING:
            self.transport.abort()
        elif is_owed_a_request and not unsent and now - self._since > patience:
            begun = self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]
            if begun and not self.transport.is_closing():
                self._end(408, "This request arrives too slowly: please send it again.")
            else:
                self.transport.abort()
        self._watch = self.loop.call_later(_EVERY, self._look)

    def _end(self, status: int, text: str) -> None:
        """Answer instead of the application, and close the connection."""
        headers = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-length", str(len(text))),
            ("connection", "close"),
        ]
        response = h11.Response(
            status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode()
        )
        for event in (response, h11.Data(data=text.encode()), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()


class ProxyConnection(Connection):
    """A connection of a proxy, which limits the visitors itself."""

    behind_proxy = True
