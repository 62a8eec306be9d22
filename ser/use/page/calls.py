"""Check that the calls of a page's functions name uploads alone, and are what they take."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.data_classes import FileData, PredictBody
from pydantic import Field, StrictInt, StrictStr, ValidationError
from starlette.exceptions import HTTPException

from ser.use.page.addresses import Addresses
from ser.use.page.uploads import ONLY_UPLOADS, is_upload

JOIN = "queue/join"
_NAMED = ("run/", "call/")  # followed by the name of a function
_FILE = "/gradio_api/file="  # followed by a file's name: Gradio sends the file


class Call(PredictBody):
    """The JSON of a call. What Gradio knows besides the attributes here is as it expects it.

    Attributes:
        data: a value for each of the function's inputs.
        fn_index: the function's number, unless the path has its name.
        session_hash: of the visit; always there if the answer is fetched from the queue.
    """

    data: list[Any]
    fn_index: StrictInt | None = None
    session_hash: StrictStr | None = Field(None, min_length=1, max_length=64)

    def to_json(self) -> bytes:
        """Return the call as Gradio reads it.

        Raises:
            HTTPException: 400, it is nested too deeply.
        """
        try:
            return json.dumps(self.model_dump()).encode()
        except (ValueError, RecursionError):
            raise HTTPException(400, "This call is nested too deeply.") from None


class Calls:
    """The calls that a page's functions take.

    Gradio reads any file of this computer that a call names, and fetches any URL: it checks whether
    a file is an upload only in an app that it launched itself, not in one that it is mounted in.
    `allowed_paths` and `blocked_paths` are part of that check and do not cover URLs; a component's
    `preprocess` runs too late. With values that a function does not take, Gradio fails.
    """

    def __init__(
        self, functions: Mapping[int, BlockFunction], addresses: Addresses, uploads: Path
    ) -> None:
        """Check calls of a page's functions, given the page's addresses and uploads."""
        # The others run in the browser alone.
        self._functions = {n: function for n, function in functions.items() if function.fn}
        self._addresses = addresses
        self._uploads = uploads

    def check(self, path: str, body: bytes) -> Call | None:
        """Check the body of a POST request.

        Args:
            path: after Gradio's folder, such as run/recognise.
            body: of the request.

        Returns:
            The call, or None if there is no function at this path.

        Raises:
            HTTPException: 403, it names a file that is not an upload, or a URL elsewhere; 400, it
                is not JSON, or not what the function takes; 404, there is no such function.
        """
        values = self._read(body)
        path = path.removesuffix("/")
        if path != JOIN and not path.startswith(_NAMED):
            return None
        try:
            call = Call.model_validate(values)
            if path == JOIN and call.session_hash is None:
                raise HTTPException(400, "A call through the queue must have a session_hash.")
            call.data = self._check_inputs(self._function(path, call), call.data)
            if path.startswith("call/") and call.session_hash is None:
                call.session_hash = secrets.token_hex()  # Gradio, too, makes each such call a visit
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = "".join(f" {part}:" for part in first["loc"])
            raise HTTPException(
                400, f"This is not a call of the page:{place} {first['msg']}."
            ) from None
        return call

    def _read(self, body: bytes) -> Any:  # noqa: ANN401 - any JSON value
        def checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            # Called for every object, however deeply nested, with duplicate keys included.
            for key, value in pairs:
                if key in ("path", "url") and value is not None:
                    name = self._name_in(value) if key == "url" else value
                    if not is_upload(name, self._uploads):
                        raise HTTPException(403, ONLY_UPLOADS)
            return dict(pairs)

        try:
            return json.loads(body, object_pairs_hook=checked)
        except (ValueError, RecursionError):
            raise HTTPException(400, "The body of this request must be JSON.") from None

    def _name_in(self, url: object) -> str | None:
        """Return the name of the file that one of the page's own URLs leads to, else None."""
        if not isinstance(url, str) or not self._addresses.is_own(url):
            return None
        return unquote(urlsplit(url).path.partition(_FILE)[2])

    def _function(self, path: str, call: Call) -> BlockFunction:
        kind, _, name = path.partition("/")
        for number, function in self._functions.items():
            # As Gradio finds it: for run/, a number counts more than the name.
            by_name = kind == "call" or (kind == "run" and call.fn_index is None)
            if function.api_name == name if by_name else number == call.fn_index:
                return function
        raise HTTPException(404, "This page has no such function.")

    def _check_inputs(self, function: BlockFunction, data: list[Any]) -> list[Any]:
        """Return a value for each of a function's inputs.

        The values of gr.State come from the server: a call has null in their places, or leaves them
        out.
        """
        kept = [isinstance(block, gr.State) for block in function.inputs]
        if len(data) == kept.count(False):
            given = iter(data)
            data = [None if is_kept else next(given) for is_kept in kept]
        if len(data) != len(kept):
            raise HTTPException(
                400, f"This function takes {kept.count(False)} values in data, not {len(data)}."
            )
        for block, is_kept, value in zip(function.inputs, kept, data, strict=True):
            if is_kept and value is not None:
                raise HTTPException(400, "A call has null in place of what the server keeps.")
            if isinstance(block, gr.Audio) and value is not None:
                if not isinstance(value, dict) or not isinstance(value.get("meta"), dict):
                    raise HTTPException(400, "A recording is null or an upload with its meta.")
                FileData.model_validate(value, context={"validate_meta": True})
        return data
