"""What a recogniser answers: probabilities of a recording, or of each window of a long one."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Window:
    """The prediction for a window of a long recording.

    Attributes:
        start: in seconds.
        end: in seconds.
        probabilities: emotion -> 0..1; None: the window cannot be classified.
        reason: why it cannot, such as no_speech or silent.
        dimensions: arousal and valence, 0..1: see `Prediction`.
    """

    start: float
    end: float
    probabilities: dict[str, float] | None
    reason: str | None = None
    dimensions: dict[str, float] = field(default_factory=dict)

    @property
    def emotion(self) -> str | None:
        """The most probable emotion."""
        return most_probable(self.probabilities) if self.probabilities else None


@dataclass(frozen=True)
class Prediction:
    """The prediction for a recording.

    >>> prediction = Prediction(1.5, {"angry": 0.75, "sad": 0.25})
    >>> prediction.emotion
    'angry'

    Attributes:
        seconds: the recording's length.
        probabilities: emotion -> 0..1, with sum 1; of a long recording, the mean over its windows
            with speech, weighted so that no moment counts twice: see `shared_seconds`.
        windows: of a long recording; empty for others.
        note: a warning that the prediction is less reliable: the sample rate is low, the model was
            trained on the recording, or it is adapted to recordings of another band; or None.
        dimensions: what the model learned of arousal and valence -> 0..1: see
            `ser.core.dimensions`; of a long recording, the mean likewise; empty for other models.
    """

    seconds: float
    probabilities: dict[str, float]
    windows: tuple[Window, ...] = ()
    note: str | None = None
    dimensions: dict[str, float] = field(default_factory=dict)

    @property
    def emotion(self) -> str:
        """The most probable emotion."""
        return most_probable(self.probabilities)


def most_probable(probabilities: dict[str, float]) -> str:
    """Return the emotion of the highest probability, the first one if several are equal.

    >>> most_probable({"angry": 0.4, "happy": 0.2, "sad": 0.4})
    'angry'
    """
    return max(probabilities, key=lambda emotion: probabilities[emotion])
