"""The page as a web application: Gradio's, and nothing from anywhere else."""

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ser.page.answering import LONGEST, answer
from ser.page.figures import show
from ser.page.project import Project
from ser.recogniser import Recogniser

MOST_BYTES = 50_000_000
_WAITING = 64  # recordings in the queue
_AT_ONCE = 2
_CSS = Path(__file__).with_name("page.css")
_HINT = '<p class="hint">Record yourself, drop a file, or pick an example.</p>'
# Whatever a library would like to load from elsewhere, the browser refuses.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' "
    "data:; connect-src 'self' data: blob:; worker-src 'self' blob:; frame-ancestors 'self'"
)


class ContentPolicy:
    """Adds a Content-Security-Policy to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY.encode())
                message["headers"] = [*message.get("headers", []), policy]
            await send(message)

        await self._app(scope, receive, with_policy)


def make_app(recogniser: Recogniser, project: Project) -> FastAPI:
    """Make the application.

    Args:
        recogniser: answers, for as many users as there are, one queue for all.
        project: recordings to try and to listen to.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(ContentPolicy)

    @app.get("/mistakes/{number}.wav")
    def mistake(number: int) -> Response:
        if number not in range(len(project.mistakes)):
            return Response(status_code=404)
        return Response(project.wav(project.mistakes[number]), media_type="audio/wav")

    return gr.mount_gradio_app(
        app,
        make_page(recogniser, project),
        path="",
        footer_links=[],
        max_file_size=MOST_BYTES,
        allowed_paths=[str(path.resolve()) for path in project.examples.values()],
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        theme=gr.themes.Base(
            primary_hue="blue",
            font=["system-ui", "sans-serif"],
            font_mono=["ui-monospace", "monospace"],
        ),
        css_paths=_CSS,
    )


def make_page(recogniser: Recogniser, project: Project) -> gr.Blocks:
    """Lay out the page: a tab to try the model, a tab about how good it is."""

    def recognise(recording: str | None) -> tuple[str, dict[str, Any]]:
        return answer(recogniser, Path(recording)) if recording else (_HINT, {})

    emotions = escape(", ".join(recogniser.emotions))
    with gr.Blocks(
        title="Speech emotion", analytics_enabled=False, delete_cache=(300, 300)
    ) as page:
        gr.HTML(
            "<h1>What emotion is heard?</h1><p>Trained on acted speech. It knows "
            f"{emotions}, and judges how a voice sounds, not what a person feels. Recordings "
            "are deleted within ten minutes.</p>",
            elem_classes="intro",
        )
        with gr.Tab("Try it"), gr.Row():
            with gr.Column(scale=2, min_width=300):
                audio = gr.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label=f"Recording, up to {LONGEST / 60:.0f} minutes",
                    buttons=[],
                    elem_id="recording",
                )
                if project.examples:
                    gr.Examples(
                        examples=[[str(path)] for path in project.examples.values()],
                        example_labels=list(project.examples),
                        inputs=audio,
                        label="Test clips of the corpus",
                    )
            with gr.Column(scale=3, min_width=300):
                shown = gr.HTML(_HINT, elem_id="answer")
                with gr.Accordion("As JSON", open=False, elem_id="facts"):
                    facts = gr.JSON(show_label=False)
        with gr.Tab("How good is it?"):
            gr.HTML(show(recogniser.description, project.mistakes), elem_classes="figures")
        audio.change(
            recognise,
            audio,
            [shown, facts],
            api_name="recognise",
            concurrency_limit=_AT_ONCE,
            show_progress="minimal",
        )
    page.queue(max_size=_WAITING)
    return page
