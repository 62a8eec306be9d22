"""Reasons for rejecting a recording."""

# The reasons of the clean stage, in the order of its checks.
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
# Only for recordings that are to be recognised: the labels of a corpus are trusted.
NO_SPEECH = "no_speech"
TOO_LONG = "too_long"
NO_RECORDINGS = "no_recordings"  # a folder


class Rejected(Exception):  # noqa: N818 - a verdict on the recording, not a fault of the program
    """A recording that cannot be used: `reason` is one of the above, the text is the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
