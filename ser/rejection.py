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


class Rejected(Exception):  # noqa: N818 - a verdict on the recording, no fault of the program
    """A recording of no use: `reason` is one of REASONS, the text is the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
