"""Bound what Gradio keeps in memory: answers that nobody fetched, and traces of visits."""

import asyncio

import gradio as gr
from gradio.routes import file_upload_statuses
from starlette.exceptions import HTTPException

MOST_ANSWERS = 256  # not fetched, of all visits together; one takes up to half a megabyte
MOST_OF_VISIT = 16
SESSIONS = 256  # visits whose last answer is remembered, to explain it
_EVERY = 300  # seconds after which answers are dropped that were there the last time


class Unread:
    """The answers that visitors have not fetched from the queue.

    Gradio keeps them, and a little of every visit and of every upload, until it ends.
    """

    def __init__(self, page: gr.Blocks) -> None:
        """Watch the queue of a page."""
        self._page = page
        self._queue = page._queue
        self._seen: set[str] = set()  # visits without a running call at the last check
        self._uploads: set[str] = set()  # whose progress is shown or awaited, at the last check

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
                {"Retry-After": str(_EVERY)},
            )  # fmt: skip

    async def forget_again(self) -> None:
        """Drop old answers and traces again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            self.forget_old()

    def forget_old(self) -> None:
        """Drop the answers of visits that had no running call at the last check, and traces."""
        queue = self._queue
        running = {event.session_hash for event in queue.event_ids_to_events.values()}
        ended = set(queue.pending_messages_per_session) - running
        for session in ended & self._seen:
            queue.pending_messages_per_session.pop(session, None)
            queue.pending_event_ids_session.pop(session, None)
        self._seen = ended
        for files in self._page.temp_file_sets:  # read only if Gradio deletes files
            files.clear()
        self._uploads = _forget_uploads(self._uploads)


def _forget_uploads(seen: set[str]) -> set[str]:
    """Drop the progress of uploads that were there at the last check; return the others."""
    shown, awaited = file_upload_statuses._statuses, file_upload_statuses._signals
    for upload in seen:
        shown.pop(upload, None)
        awaited.pop(upload, None)
    return {*shown, *awaited}
