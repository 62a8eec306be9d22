"""The page as a web application: Gradio's, and nothing from anywhere else."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ser.use.page.answering import LONGEST, answer, look
from ser.use.page.figures import show
from ser.use.page.guard import Guard
from ser.use.page.project import Project
from ser.use.page.uploads import MOST_BYTES
from ser.use.recogniser import Prediction, Recogniser

_WAITING = 64  # recordings in the queue
_AT_ONCE = 2
_SHOWN = 60  # seconds that an explanation may take from being made to being shown
_CSS = Path(__file__).with_name("page.css")
_Told = tuple[Path, Prediction]  # of which recording what
_HINT = '<p class="hint">Record yourself, drop a file, or pick an example.</p>'


def make_app(
    recogniser: Recogniser, project: Project, hosts: Sequence[str], uploads: Path
) -> FastAPI:
    """Make the application.

    Args:
        recogniser: answers, for as many users as there are, one queue for all.
        project: recordings to try and to listen to.
        hosts: names that it may be called by, *: any. Pages from elsewhere, opened in a browser
            that reaches it, have other names.
        uploads: the folder that Gradio keeps uploads in (its `GRADIO_TEMP_DIR`).
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, hosts=hosts, uploads=uploads)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)

    @app.get("/mistakes/{number}.wav")
    def mistake(number: int) -> Response:
        if number not in range(len(project.mistakes)):
            return Response(status_code=404)
        return Response(project.mistakes[number].wav(), media_type="audio/wav")

    return gr.mount_gradio_app(
        app,
        make_page(recogniser, project),
        path="",
        footer_links=[],
        run_history=False,  # which the browser would keep
        max_file_size=MOST_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        theme=gr.themes.Base(
            primary_hue="blue",
            font=["system-ui", "sans-serif"],
            font_mono=["ui-monospace", "monospace"],
        ).set(color_accent="*primary_600"),
        css_paths=_CSS,
    )


def make_page(recogniser: Recogniser, project: Project) -> gr.Blocks:
    """Lay out the page: a tab to try the model, a tab about how good it is."""

    def recognise(recording: str | None) -> tuple[str, dict[str, Any], _Told | None]:
        if not recording:
            return _HINT, {}, None
        path = Path(recording)
        html, described, prediction = answer(recogniser, path)
        return html, described, (path, prediction) if prediction else None

    def explain(told: _Told | None) -> tuple[_Told | None, str]:
        return told, look(recogniser, *told) if told else ""

    def show_if_current(told: _Told | None, explained: tuple[_Told | None, str] | None) -> str:
        return explained[1] if explained and explained[0] == told else ""

    emotions = escape(", ".join(recogniser.emotions))
    with gr.Blocks(title="Speech emotion", analytics_enabled=False) as page:
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
                    label=f"Recording, up to {LONGEST / 60:.0f} minutes, {MOST_BYTES >> 20} MB",
                    buttons=[],
                    waveform_options=gr.WaveformOptions(show_recording_waveform=False),
                    elem_id="recording",
                )
                if project.examples:
                    gr.HTML("Or a test clip of the corpus:")
                with gr.Row(elem_id="examples"):
                    for name, path in project.examples.items():
                        gr.Button(name, size="sm", min_width=0).click(
                            lambda path=path: str(path), None, audio, api_visibility="private"
                        )
            with gr.Column(scale=3, min_width=300):
                shown = gr.HTML(_HINT, elem_id="answer")
                # The field may hold the next recording before the answer to this one is there.
                told, explained = gr.State(), gr.State(time_to_live=_SHOWN)
                looked = gr.HTML(elem_id="looked")
                with gr.Accordion("As JSON", open=False, elem_id="facts"):
                    facts = gr.JSON(show_label=False)
        with gr.Tab("How good is it?"):
            gr.HTML(show(recogniser.description, project.mistakes), elem_classes="figures")
        answered = audio.change(
            recognise,
            audio,
            [shown, facts, told],
            api_name="recognise",
            concurrency_limit=_AT_ONCE,
            show_progress="minimal",
        )
        # What an answer is explained by comes after it, and takes longer: the next answer may be
        # there by then.
        answered.then(None, None, looked, js="() => ''")
        answered.then(
            explain,
            told,
            explained,
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=looked,
            trigger_mode="always_last",
        ).then(
            show_if_current,
            [told, explained],
            looked,
            api_visibility="private",
            concurrency_limit=None,
            show_progress="hidden",
            trigger_mode="always_last",
        )
    page.queue(max_size=_WAITING)
    return page
