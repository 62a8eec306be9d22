"""A trained model that says of recordings what emotion is heard.

A recording goes through what the clips of the training went through: what was done to them is
stored with the model.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.audio.standard import checked_waveform, standardise
from ser.core.errors import UserError
from ser.core.kinds import describe_clips
from ser.core.recording import CHANNELS, RATES, Recording
from ser.core.rejection import NO_SPEECH, TOO_LONG, Rejected
from ser.core.typing import FloatArray
from ser.decoding.decoding import open_stream
from ser.features.extract import extract
from ser.nets.description import Description
from ser.nets.lengths import fit_length
from ser.nets.normalisation import Statistics, identity_statistics, measure, normalise
from ser.use.speech import holds_speech
from ser.use.windows import Windows, cut

WAVEFORM, FEATURES = "waveform", "features"  # what nets take
OF_VOICES = "the model was trained on features normalised by each speaker's own recordings"
_BLOCK = 1 << 20  # samples
_FEWEST_OF_A_VOICE = 5  # recordings: of fewer, a deviation says nothing


@dataclass(frozen=True)
class Nets:
    """The nets of all folds.

    Attributes:
        take: WAVEFORM: float32 [samples], of `checked_waveform`; FEATURES: those of a clip,
            normalised for each fold, float32 [folds, frames, dims].
        answer: of what they take -> probabilities [folds, emotions].
        adapt: where the nets themselves adapt to a voice: takes the features of its recordings,
            float32 [frames, dims] each.
    """

    take: str
    answer: Callable[[FloatArray], FloatArray]
    adapt: Callable[[Sequence[FloatArray]], None] | None = None


@dataclass(frozen=True)
class Window:
    """What is heard in a stretch of a long recording.

    Attributes:
        start: in seconds.
        end: in seconds.
        probabilities: emotion -> 0..1; None where none is told.
        reason: why none is told, such as no_speech or silent.
    """

    start: float
    end: float
    probabilities: dict[str, float] | None
    reason: str | None = None

    @property
    def emotion(self) -> str | None:
        """The most probable emotion."""
        return most_probable(self.probabilities) if self.probabilities else None


@dataclass(frozen=True)
class Prediction:
    """What is heard in a recording.

    Attributes:
        seconds: its length.
        probabilities: emotion -> 0..1, they sum to 1; of a long recording, the mean over its
            windows with speech.
        windows: of a long recording; else empty.
        note: why to believe it less; None: nothing known.
    """

    seconds: float
    probabilities: dict[str, float]
    windows: tuple[Window, ...] = ()
    note: str | None = None

    @property
    def emotion(self) -> str:
        """The most probable emotion."""
        return most_probable(self.probabilities)


def most_probable(probabilities: dict[str, float]) -> str:
    """Name the emotion of the greatest probability; of equal ones the first."""
    return max(probabilities, key=lambda emotion: probabilities[emotion])


class Recogniser:
    """Predicts recordings with the nets of a trained model.

    Several folds' nets answer together, by the mean of their probabilities.
    """

    def __init__(self, description: Description, nets: Nets, fold: int | None = None) -> None:
        """Take a model that was read from a folder or an ONNX file: see `ser.load`.

        Raises:
            UserError: the model has no such fold.
        """
        self.description = description
        self._nets = nets
        self._answering = _places_of(description.folds, fold)
        self._clean = description.preprocessing.clean
        self._dims = description.preprocessing.dims
        self._model = description.model
        self._voice: Statistics | None = None

    @property
    def emotions(self) -> list[str]:
        """The emotions that it knows, in alphabetical order."""
        return self.description.emotions

    @property
    def needs_a_voice(self) -> bool:
        """Whether it must be adapted to the speaker first: see `adapt`."""
        return self._model.normalisation == "speaker" and self._voice is None

    def windows(self, length: float | None = None, hop: float | None = None) -> Windows:
        """Say how recordings are cut.

        Args:
            length: of a window in seconds; None: recordings up to the longest clip of the training
                stay whole, longer ones are cut into windows as long as its median clip.
            hop: from window to window, in seconds; None: half a window.

        Raises:
            UserError: a window is shorter than a clip may be, or does not move on.
        """
        seconds = self.description.corpus.seconds
        median = max(round(seconds.median, 1), self._clean.min_seconds)
        chosen = median if length is None else length
        step = chosen / 2 if hop is None else hop
        if not self._clean.min_seconds <= chosen < np.inf:
            raise UserError(
                f"a window of {chosen:g} s: at least {self._clean.min_seconds:g} s, and an end, "
                "are needed, as for the clips that the model was trained on"
            )
        if not 0.01 <= step < np.inf:
            raise UserError(f"a hop of {step:g} s: at least 0.01 s, and an end, are needed")
        return Windows(max(seconds.max, chosen) if length is None else chosen, chosen, step)

    def predict(
        self,
        samples: NDArray[Any],
        rate: int,
        window: float | None = None,
        hop: float | None = None,
    ) -> Prediction:
        """Recognise a recording in memory.

        Args:
            samples: [samples] or [samples, channels]: floating point in -1..1, or int16 or int32.
            rate: sample rate in Hz.
            window: see `windows`.
            hop: see `windows`.

        Raises:
            Rejected: no emotion can be told: `reason` says why, such as silent or no_speech.
            UserError: the samples have another form; see `windows`; the speaker is not known.
        """
        waveform = _as_float(samples)
        if not isinstance(rate, Real) or rate not in RATES:
            raise UserError(
                f"a rate of {rate} Hz: a whole number from {RATES[0]} to {RATES[-1]} is expected"
            )
        blocks = (waveform[i : i + _BLOCK] for i in range(0, len(waveform), _BLOCK))
        return self._predict(blocks, int(rate), self.windows(window, hop))

    def predict_file(
        self,
        path: str | Path,
        window: float | None = None,
        hop: float | None = None,
        longest: float = np.inf,
    ) -> Prediction:
        """Recognise a recording of any format that is read: see `ser.decoding.decoding`.

        Memory holds a window, or a clip as long as the longest of the training.

        Args:
            path: of the file.
            window: see `windows`.
            hop: see `windows`.
            longest: in seconds; what is longer is refused as soon as that is found out.

        Raises:
            Rejected: no emotion can be told, the file is damaged or too long.
            UserError: see `windows`; the speaker is not known.
        """
        windows = self.windows(window, hop)
        with open_stream(Path(path)) as stream:
            blocks = _limited(stream.blocks, longest * stream.sample_rate)
            return self._predict(blocks, stream.sample_rate, windows)

    def adapt(self, recordings: Iterable[Recording]) -> None:
        """Learn how a speaker sounds: wanted by models whose model.normalisation is speaker.

        Args:
            recordings: of that speaker alone, whichever the emotions; those that are of no use are
                left out.

        Raises:
            UserError: there are too few; the model knows no voices.
        """
        if self._model.normalisation != "speaker":
            raise UserError(
                f"the model was trained with model.normalisation {self._model.normalisation}: it "
                "does not adapt to a voice"
            )
        features = []
        for recording in recordings:
            try:
                waveform = self._waveform(recording)
            except Rejected:
                continue  # said when it is predicted
            features.append(self.features(waveform))
        of_clips = self._nets.adapt is not None or describe_clips(self._dims)
        fewest = _FEWEST_OF_A_VOICE if of_clips else 1
        if len(features) < fewest:
            raise UserError(
                f"{len(features)} usable recordings of the speaker: {OF_VOICES}, it needs at least "
                f"{fewest}"
            )
        if self._nets.adapt is None:
            self._voice = measure(features, self._dims)
        else:
            self._nets.adapt(features)
            self._voice = identity_statistics(self._dims)

    def waveform(self, samples: NDArray[Any], rate: int) -> FloatArray:
        """Give what the features are computed from: see `ser.audio.standard.standard_form`.

        Raises:
            Rejected: the recording is of no use.
        """
        return self._waveform(Recording(_as_float(samples), rate, ""))

    def _waveform(self, recording: Recording) -> FloatArray:
        return self._standardise(checked_waveform(recording, self._clean))

    def _standardise(self, heard: FloatArray) -> FloatArray:
        c = self._clean
        return standardise(heard, c.sample_rate, c.highpass, c.noise_reduction, c.noise_seconds)

    def _predict(self, blocks: Iterable[FloatArray], rate: int, windows: Windows) -> Prediction:
        if self.needs_a_voice:
            raise UserError(
                f"{OF_VOICES}: adapt it to the speaker first (`ser predict --one-speaker`, or "
                "`adapt`)"
            )
        note = self._doubt(rate)
        heard: list[Window] = []
        end = 0
        for start, samples, whole in cut(blocks, rate, windows):
            recording = Recording(samples, rate, "")
            if whole:
                told = self._name(self._probabilities(recording))
                return Prediction(recording.seconds, told, note=note)
            end = start + len(samples)
            span = (start / rate, end / rate)
            try:
                heard.append(Window(*span, self._name(self._probabilities(recording))))
            except Rejected as verdict:
                heard.append(Window(*span, None, verdict.reason))
        if not heard:
            raise Rejected("zero_length", "no samples")
        return Prediction(end / rate, self._mean(heard), tuple(heard), note)

    def _doubt(self, rate: int) -> str | None:
        """Say what a recording of a low sample rate lacks."""
        highest = self.description.preprocessing.highest_hertz
        if rate / 2 >= highest:
            return None
        return (
            f"sampled at {rate} Hz: nothing above {rate / 2:g} Hz is left in it, and the model "
            f"listens up to {highest:g} Hz, so it errs more"
        )

    def _probabilities(self, recording: Recording) -> NDArray[np.float64]:
        """Compute the probability of every emotion in a recording that is not cut."""
        heard = checked_waveform(recording, self._clean)
        waveform = self._standardise(heard)
        if not holds_speech(waveform, self._clean.sample_rate):
            raise Rejected(NO_SPEECH, "nobody speaks in it")
        mean: NDArray[np.float64] = self._answers(heard, waveform)[self._answering].mean(axis=0)
        return mean

    def of_folds(self, samples: NDArray[Any], rate: int) -> NDArray[np.float64]:
        """Compute what each fold's net answers, without asking whether anybody speaks.

        Args:
            samples: see `predict`.
            rate: sample rate in Hz.

        Returns:
            probabilities [folds, emotions].

        Raises:
            Rejected: the recording is of no use.
            UserError: the nets' answers are no probabilities.
        """
        heard = checked_waveform(Recording(_as_float(samples), rate, ""), self._clean)
        return self._answers(heard, self._standardise(heard))

    def features(self, waveform: FloatArray) -> FloatArray:
        """Compute a clip's features [frames, dims], which are normalised by `probabilities`.

        Args:
            waveform: as `waveform` gives it.
        """
        made = self.description.preprocessing
        return extract(waveform, made.clean.sample_rate, made.features, made.banks)

    def probabilities(self, features: FloatArray) -> NDArray[np.float64]:
        """Compute the probability of every emotion [emotions], without asking for speech.

        Args:
            features: float32 [frames, dims], as `features` gives them, or changed. Not of a model
                that `takes_waveforms`.

        Raises:
            UserError: the nets' answers are no probabilities.
        """
        mean: NDArray[np.float64] = self._of_features(features)[self._answering].mean(axis=0)
        return mean

    @property
    def takes_waveforms(self) -> bool:
        """Whether its nets compute the features themselves, out of reach."""
        return self._nets.take == WAVEFORM

    def _answers(self, heard: FloatArray, waveform: FloatArray) -> NDArray[np.float64]:
        """Let the nets answer: they take either what is heard, or features of the waveform."""
        if self.takes_waveforms:
            return _checked(self._nets.answer(heard))
        return self._of_features(self.features(waveform))

    def _of_features(self, features: FloatArray) -> NDArray[np.float64]:
        inputs = [
            fit_length(
                normalise(features, self._dims, self._voice if statistics is None else statistics),
                self._model,
            )
            for statistics in self.description.statistics
        ]
        return _checked(self._nets.answer(np.stack(inputs)))

    def _name(self, probabilities: Sequence[float] | NDArray[np.float64]) -> dict[str, float]:
        return dict(zip(self.emotions, map(float, probabilities), strict=True))

    def _mean(self, heard: Sequence[Window]) -> dict[str, float]:
        """Average the windows in which an emotion is told."""
        told = [list(w.probabilities.values()) for w in heard if w.probabilities is not None]
        if told:
            return self._name(np.mean(told, axis=0))
        reasons = {window.reason for window in heard}
        reason = reasons.pop() if len(reasons) == 1 else NO_SPEECH
        raise Rejected(reason or NO_SPEECH, f"so in each of its {len(heard)} windows")


def _checked(answers: FloatArray) -> NDArray[np.float64]:
    """Give the probabilities [folds, emotions] that nets answer with.

    Raises:
        UserError: they are none.
    """
    # Also if something is no number.
    if not (answers.min() >= 0 and np.allclose(answers.sum(axis=1), 1, atol=1e-3)):
        raise UserError("the model answers with no probabilities: its weights are damaged")
    return answers.astype(np.float64)


def pieces(path: Path, windows: Windows) -> Iterator[Recording]:
    """Read a file whole, or window by window where it is long.

    Raises:
        Rejected: it is damaged.
    """
    with open_stream(path) as stream:
        for _, samples, _ in cut(stream.blocks, stream.sample_rate, windows):
            yield Recording(samples, stream.sample_rate, stream.subtype)


def _limited(blocks: Iterable[FloatArray], most: float) -> Iterator[FloatArray]:
    """Pass on blocks [samples, channels].

    Raises:
        Rejected: too_long: they have more samples than `most`.
    """
    read = 0
    for block in blocks:
        read += len(block)
        if read > most:
            raise Rejected(TOO_LONG, f"more than {most:.0f} samples per channel")
        yield block


def _as_float(samples: NDArray[Any]) -> FloatArray:
    """Bring samples into the form [samples, channels], float32 in -1..1."""
    array = np.asarray(samples)
    if array.dtype.newbyteorder("=") in (np.int16, np.int32):
        array = array.astype(np.float32) / -float(np.iinfo(array.dtype).min)
    channels = array.shape[1] if array.ndim == 2 else 1
    if array.ndim not in (1, 2) or channels not in CHANNELS or array.dtype.kind != "f":
        raise UserError(
            f"samples of shape {array.shape} and type {array.dtype}: [samples] or [samples, "
            f"channels] of up to {CHANNELS[-1]} channels are expected, floating point in -1..1, or "
            "int16 or int32"
        )
    with np.errstate(over="ignore"):  # what a float32 cannot hold is refused as not finite
        return (array[:, np.newaxis] if array.ndim == 1 else array).astype(np.float32)


def _places_of(folds: Sequence[int], fold: int | None) -> list[int]:
    """Say which of the folds' nets answer: all, or one.

    Raises:
        UserError: there is no such fold.
    """
    if fold is None:
        return list(range(len(folds)))
    if fold not in folds:
        raise UserError(f"the model has no fold {fold}: it has {', '.join(map(str, folds))}")
    return [list(folds).index(fold)]
