"""Bound what Gradio keeps in memory: answers that nobody fetched, and traces of visits."""

import asyncio
import time

import gradio as gr
from gradio.routes import file_upload_statuses
from starlette.exceptions import HTTPException

from ser.use.page.uploads import KEPT

MOST_ANSWERS = 256  # not fetched, of all visits together; one takes up to half a megabyte
MOST_OF_VISIT = 16
SESSIONS = 128  # visits whose last answer is remembered, to explain it
_EVERY = 10  # seconds from one check to the next


class Unread:
    """The answers that visitors have not fetched from the queue.

    Gradio keeps them, and a little of every visit and of every upload, until it ends; the last
    answers of a visit for an hour after its page was closed.
    """

    def __init__(self, page: gr.Blocks) -> None:
        """Watch the queue of a page."""
        self._page = page
        self._queue = page._queue
        self._visits: dict[str, float] = {}  # since when no call of it is running
        self._uploads: dict[str, float] = {}  # since when its progress is shown or awaited

    def is_known(self, session: str) -> bool:
        """Return whether a visit's answers can be fetched, or those of the call with this id."""
        visits = self._queue.pending_event_ids_session
        return session in self._queue.pending_messages_per_session or any(
            session in events for events in visits.values()
        )

    def check(self, session: str | None) -> None:
        """Check that there is room for one more answer of a visit.

        Raises:
            HTTPException: 503, there is none.
        """
        visits = self._queue.pending_event_ids_session
        if len(visits.get(session or "", ())) >= MOST_OF_VISIT:
            raise HTTPException(503, "Please fetch the answers to the calls before this one first.")
        if sum(map(len, visits.values())) >= MOST_ANSWERS:
            raise HTTPException(
                503, "Too many recordings are waiting: please try again later.",
                {"Retry-After": str(KEPT)},
            )  # fmt: skip

    async def forget_again(self) -> None:
        """Forget what is old again and again, until it is cancelled."""
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
    """Note what is there now; return what has been for long."""
    for name in set(since) - there:
        del since[name]
    for name in there:
        since.setdefault(name, now)
    return [name for name, first in since.items() if now - first >= KEPT]
