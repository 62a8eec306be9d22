"""The page as a web application: built with Gradio, with nothing loaded from elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ser.use.page import voices
from ser.use.page.addresses import Addresses
from ser.use.page.answering import answer, explain_answer
from ser.use.page.calls import Calls
from ser.use.page.figures import render_html
from ser.use.page.guard import MAX_AT_ONCE, Checks, Guard
from ser.use.page.project import Example, Project
from ser.use.page.sentences import LONGEST, MICROPHONE
from ser.use.page.unread import MAX_WAITING, SESSIONS, Unread
from ser.use.page.uploads import MAX_BYTES
from ser.use.page.voices import Voice
from ser.use.prediction import Prediction
from ser.use.recogniser import Recogniser

_EXPLANATION_KEPT = 60  # seconds within which a computed explanation must be shown
_CSS, _LEVEL, _PLAYING = map(Path(__file__).with_name, ("page.css", "level.js", "playing.js"))
_Recognised = tuple[Recogniser, Path, Prediction]
_HINT = '<p class="hint">Record yourself, drop a file, or pick an example.</p>'


def make_app(
    recogniser: Recogniser, project: Project, addresses: Addresses, uploads: Path
) -> FastAPI:
    """Make the application.

    Args:
        recogniser: used for all visitors, through one queue.
        project: recordings to try and to listen to.
        addresses: that requests may have. This refuses requests from other sites' pages in a
            browser that can reach this one.
        uploads: the folder that Gradio keeps uploads in (its `GRADIO_TEMP_DIR`).
    """
    page = make_page(recogniser, project)
    page.state_session_capacity = SESSIONS
    unread = Unread(page)

    @asynccontextmanager
    async def forgetting(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(unread.forget_again())
        yield
        task.cancel()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=forgetting)
    calls = Calls(page.fns, addresses, uploads)
    app.add_middleware(Guard, checks=Checks(addresses, uploads, calls, unread))
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=addresses.all_hosts(), www_redirect=False
    )

    @app.get("/mistakes/{number}.wav")
    def mistake(number: int) -> Response:
        if number not in range(len(project.mistakes)):
            return Response(status_code=404)
        return Response(project.mistakes[number].wav(), media_type="audio/wav")

    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page,
        path="",
        root_path=addresses.public or None,
        footer_links=[],
        run_history=False,  # the browser would keep it
        max_file_size=MAX_BYTES,
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
    return mounted


def make_page(recogniser: Recogniser, project: Project) -> gr.Blocks:
    """Make the page: a tab to try the model, a tab about how good it is."""
    emotions = escape(", ".join(recogniser.emotions))
    page = gr.Blocks(title="Speech emotion", analytics_enabled=False)
    with page:
        gr.HTML(
            "<h1>Recognise the emotion in a voice</h1><p>This model was trained on acted speech. "
            f"It knows {emotions}, and judges how a voice sounds, not what a person feels. "
            "Recordings are deleted within ten minutes.</p>",
            elem_classes="intro",
        )
        with gr.Tab("Try it"), gr.Row():
            with gr.Column(scale=2, min_width=300):
                recording = _add_recording(project.examples)
                voice = _add_voice(recogniser)
            with gr.Column(scale=3, min_width=300):
                _add_answer(recogniser, project, recording, voice)
        with gr.Tab("How good is it?"):
            gr.HTML(render_html(recogniser.description, project.mistakes), elem_classes="figures")
    page.queue(max_size=MAX_WAITING)
    return page


def _add_recording(examples: Sequence[Example]) -> gr.Audio:
    """Add the recorder of what is to be answered, and the examples."""
    recording = _add_recorder("Recording")
    if examples:
        gr.HTML("Or try a test clip of the corpus:")
    with gr.Row(elem_id="examples"):
        for example in examples:
            gr.Button(example.name, size="sm", min_width=0).click(
                lambda path=example.path: str(path), None, recording, api_visibility="private"
            )
    return recording


def _add_recorder(what: str, prefix: str = "") -> gr.Audio:
    """Add a microphone, which also plays the recording, and a field for files.

    Args:
        what: is recorded.
        prefix: of the elements' ids.
    """
    with gr.Column(elem_classes="recorder"):
        recording = gr.Audio(
            sources=["microphone"],
            type="filepath",
            label=f"{what}, up to {LONGEST / 60:.0f} minutes",
            buttons=[],
            waveform_options=gr.WaveformOptions(show_recording_waveform=False),
            elem_id=f"{prefix}recording",
        )
        again = gr.Button("Record again", size="sm", elem_id=f"{prefix}again", elem_classes="again")
        again.click(None, None, recording, js="() => null")
        gr.HTML(
            '<label hidden>Level <meter value="-60" min="-60" low="-40" optimum="-20" high="-1" '
            'max="0"></meter></label><div class="message" role="alert" hidden></div>',
            js_on_load=_LEVEL.read_text("utf-8"),
            problems=MICROPHONE,
            recorder=f"#{prefix}recording",
            elem_id=f"{prefix}level",
            elem_classes="level",
        )
        # Unlike gr.Audio's own field, it takes what browsers do not call audio, such as WebM and
        # CAF.
        file = gr.File(
            label=f"A file, up to {MAX_BYTES >> 20} MB",
            height=150,
            elem_id=f"{prefix}upload",
            elem_classes="upload",
        )
        file.upload(None, file, [recording, file], js="(chosen) => [chosen, null]")
    return recording


def _add_voice(recogniser: Recogniser) -> gr.State:
    """Add what adapts the answers to the visitor's voice, if the model can; return the voice."""
    voice = gr.State(())
    if not recogniser.adapts:
        return voice

    def hear(name: str | None, heard: Voice) -> tuple[Voice, str, None] | dict[str, Any]:
        # The field is emptied after each recording, which is a change, too.
        return (*voices.hear(recogniser, Path(name), heard), None) if name else gr.skip()

    def forget() -> tuple[Voice, str]:
        return (), voices.voice_html(())

    with gr.Accordion("Adapt to my voice", open=False, elem_id="voice"):
        gr.HTML(voices.INTRODUCTION)
        shown = gr.HTML(voices.voice_html(()), elem_id="sentence")
        recording = _add_recorder("Sentence", "voice-")
        back = gr.Button("Answer for any voice again", size="sm", elem_id="forget")
    recording.change(
        hear,
        [recording, voice],
        [voice, shown, recording],
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=shown,
    )
    back.click(forget, None, [voice, shown], api_visibility="private", show_progress="hidden")
    return voice


def _add_answer(
    recogniser: Recogniser, project: Project, recording: gr.Audio, voice: gr.State
) -> None:
    """Add the answer about the current recording for a voice, and below it the explanation."""

    def recognise(name: str | None, heard: Voice) -> tuple[str, dict[str, Any], _Recognised | None]:
        if not name:
            return _HINT, {}, None
        path, model = Path(name), recogniser.adapted_to(heard) if heard else recogniser
        html, described, prediction = answer(model, path, project.actual_emotion(path))
        return html, described, (model, path, prediction) if prediction else None

    def explain(recognised: _Recognised | None) -> tuple[_Recognised | None, str]:
        return recognised, explain_answer(*recognised) if recognised else ""

    def show_if_current(
        recognised: _Recognised | None, explained: tuple[_Recognised | None, str] | None
    ) -> str:
        return explained[1] if explained and explained[0] == recognised else ""

    answer_shown = gr.HTML(_HINT, elem_id="answer", js_on_load=_PLAYING.read_text("utf-8"))
    # The visitor may choose the next recording before the answer about this one is shown.
    recognised, explained = gr.State(), gr.State(time_to_live=_EXPLANATION_KEPT)
    explanation_shown = gr.HTML(elem_id="looked")
    with gr.Accordion("As JSON", open=False, elem_id="facts"):
        facts = gr.JSON(show_label=False)
    answered = gr.on(
        [recording.change, voice.change],
        recognise,
        [recording, voice],
        [answer_shown, facts, recognised],
        api_name="recognise",
        concurrency_limit=MAX_AT_ONCE,
        show_progress="minimal",
    )
    # The explanation is computed after the answer and takes longer, so the next answer may come
    # first.
    answered.then(None, None, explanation_shown, js="() => ''")
    answered.then(
        explain,
        recognised,
        explained,
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=explanation_shown,
        trigger_mode="always_last",
    ).then(
        show_if_current,
        [recognised, explained],
        explanation_shown,
        api_visibility="private",
        concurrency_limit=None,
        show_progress="hidden",
        trigger_mode="always_last",
    )
