"""Bound what Gradio keeps in memory: answers that nobody fetched, and traces of visits."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
from gradio.routes import file_upload_statuses
from starlette.exceptions import HTTPException

from ser.use.page.uploads import KEPT

MOST_ANSWERS = 256  # not fetched, of all visits together; one takes up to half a megabyte
MOST_OF_VISITOR = MOST_ANSWERS // 2
MOST_OF_VISIT = 16
SESSIONS = 128  # visits whose last answer is remembered, to explain it
MAX_WAITING = 64  # calls that wait for their turn
MAX_WAITING_OF_VISITOR = MAX_WAITING // 2
YOURS_WAIT = "Too many of your recordings are waiting: please try again later."
ALL_WAIT = "Too many recordings are waiting: please try again later."
_EVERY = 10  # seconds from one check to the next
_LATER = {"Retry-After": str(KEPT)}


class Unread:
    """The answers that visitors have not fetched from the queue.

    Gradio keeps them, and a little of every visit and of every upload, until it ends; the last
    answers of a visit for an hour after its page was closed.
    """

    def __init__(self, page: gr.Blocks) -> None:
        """Watch the queue of a page."""
        self._page = page
        self._queue = page._queue
        self._whose: dict[str, str] = {}  # visit -> visitor
        self._joining = Counter[str]()  # visits whose call is on its way into the queue
        self._visits: dict[str, float] = {}  # since when no call of it is running
        self._uploads: dict[str, float] = {}  # since when its progress is shown or awaited

    def is_known(self, session: str) -> bool:
        """Return whether a visit's answers can be fetched, or those of the call with this id."""
        visits = self._queue.pending_event_ids_session
        return session in self._queue.pending_messages_per_session or any(
            session in events for events in visits.values()
        )

    @contextmanager
    def join(self, visitor: str, session: str) -> Iterator[None]:
        """Admit a call of a visitor to the queue, as part of a visit.

        Raises:
            HTTPException: 503, there is no room for one more answer.
        """
        answers = Counter(self._joining)
        for visit, events in self._queue.pending_event_ids_session.items():
            answers[visit] += len(events)
        self._whose = {visit: who for visit, who in self._whose.items() if visit in answers}
        if answers[session] >= MOST_OF_VISIT:
            raise HTTPException(503, "Please fetch the answers to the calls before this one first.")
        queues = self._queue.event_queue_per_concurrency_id.values()
        waiting = Counter(event.session_hash for each in queues for event in each.queue)
        for counted, most, most_of_visitor in (
            (answers, MOST_ANSWERS, MOST_OF_VISITOR),
            (waiting + self._joining, MAX_WAITING, MAX_WAITING_OF_VISITOR),
        ):
            theirs = sum(n for visit, n in counted.items() if self._whose.get(visit) == visitor)
            if theirs >= most_of_visitor:
                raise HTTPException(503, YOURS_WAIT, _LATER)
            if counted.total() >= most:
                raise HTTPException(503, ALL_WAIT, _LATER)
        self._whose[session] = visitor
        self._joining[session] += 1
        try:
            yield
        finally:
            self._joining -= Counter([session])

    async def forget_again(self) -> None:
        """Forget old entries periodically, until it is cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            self.forget_old(time.monotonic())

    def forget_old(self, now: float) -> None:
        """Forget closed visits, and answers and traces that are as old as a deleted upload.

        Args:
            now: seconds of a clock, the same one for all calls.
        """
        queue, visits = self._queue, self._page.state_holder
        for session, state in list(visits.session_data.items()):
            if state.is_closed:
                visits.session_data.pop(session, None)
                visits.time_last_used.pop(session, None)
        running = {event.session_hash for event in queue.event_ids_to_events.values()}
        for session in _old(self._visits, set(queue.pending_messages_per_session) - running, now):
            queue.pending_messages_per_session.pop(session, None)
            queue.pending_event_ids_session.pop(session, None)
        shown, awaited = file_upload_statuses._statuses, file_upload_statuses._signals
        for upload in _old(self._uploads, {*shown, *awaited}, now):
            shown.pop(upload, None)
            awaited.pop(upload, None)
        for files in self._page.temp_file_sets:  # read only if Gradio deletes files
            files.clear()


def _old(since: dict[str, float], there: set[str], now: float) -> list[str]:
    """Record what is there now; return what has been there long enough to go."""
    for name in set(since) - there:
        del since[name]
    for name in there:
        since.setdefault(name, now)
    return [name for name, first in since.items() if now - first >= KEPT]
