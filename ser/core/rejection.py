"""Why a recording is of no use."""

# The whole list, in the order in which a recording is looked at.
REASONS = (
    "unknown_name",
    "unlisted",
    "missing_file",
    "unknown_emotion",
    "video_only",
    "song",
    "excluded_emotion",
    "zero_length",
    "undecodable",
    "truncated",
    "not_finite",
    "silent",
    "too_short",
    "clipped",
    "duplicate_audio",
    "duplicate_name",
)
# Said of recordings that are to be recognised; the labels of a corpus are believed.
NO_SPEECH = "no_speech"
TOO_LONG = "too_long"


class Rejected(Exception):  # noqa: N818 - a verdict on the recording, no fault of the program
    """A recording of no use: `reason` is one of the above, the text is the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
