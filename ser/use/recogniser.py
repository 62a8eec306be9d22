"""Recognise the emotion in a recording with a trained model.

A recording is processed in the same way as the training clips; the settings of that are stored
with the model.
"""

import copy
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.audio.standard import checked_waveform, standardise
from ser.conditions.codecs import TELEPHONE_BAND, TELEPHONE_RATE
from ser.conditions.microphone import band_limit
from ser.core.encoders import encoder_digest
from ser.core.errors import UserError
from ser.core.extras import package_versions
from ser.core.kinds import describes_whole_clips, needs_given, packages_of
from ser.core.recording import RATES, Recording, SamplesDigest
from ser.core.rejection import NO_SPEECH, Rejected
from ser.core.typing import FloatArray
from ser.decoding.decoding import open_stream
from ser.features.extract import extract
from ser.inference.nets import WAVEFORM, Nets, input_of_folds, split_answers
from ser.nets.description import Description
from ser.nets.normalisation import Statistics, identity_statistics, measure_statistics
from ser.use.narrowband import ABOVE, is_narrowband, mostly_narrow
from ser.use.prediction import Prediction, Window
from ser.use.reading import as_float, limited
from ser.use.speech import holds_speech
from ser.use.windows import Windows, cut, shared_seconds

PER_SPEAKER = "the model was trained on features normalised by each speaker's own recordings"
_BLOCK = 1 << 20  # samples
_MIN_VOICE_RECORDINGS = 5  # a deviation over fewer means nothing


@dataclass(frozen=True, eq=False)
class Enrolled:
    """What is kept of a recording of a voice to adapt to it.

    Attributes:
        values: what each net pools from it, float32 [folds, pooled], if `Nets.pool` does that; else
            its features, float32 [frames, dims].
        is_narrow: whether it holds nothing above the band of a telephone line; None: unknown.
    """

    values: FloatArray
    is_narrow: bool | None = None


class Recogniser:
    """Predicts the emotion in recordings with the nets of a trained model.

    The prediction of several folds is the mean of their nets' probabilities, and of their values of
    the dimensions.

    Attributes:
        description: of the model.
        enrolled: the recordings of the voice that it is adapted to.
    """

    def __init__(self, description: Description, nets: Nets, fold: int | None = None) -> None:
        """Use a model that was read from a folder or an ONNX file: see `ser.load`.

        Raises:
            UserError: the model has no such fold; its features are not computed from recordings; or
                a package or an encoder that they need is missing.
        """
        if needs_given(description.preprocessing.features.kinds):
            raise UserError(
                "the model was trained on a table (features.table), which has no rows for other "
                "recordings, so it cannot answer for them: train one on features that are "
                "computed, such as features.kinds [functionals]"
            )
        self.description = description
        self._nets = nets
        self._chosen_nets = _net_indices(description.folds, fold)
        self._form = description.preprocessing.form
        self._limits = description.limits
        self._dims = description.preprocessing.dims
        self._model = description.model
        self._voice: Statistics | None = None
        self.enrolled: tuple[Enrolled, ...] = ()
        augment = description.augment
        self._knows_lines = (
            augment is not None
            and augment.recording.probability > 0
            and self._form.sample_rate > 2 * ABOVE  # else all its recordings are narrow
        )
        made = description.preprocessing
        packages, needs = packages_of(made.features.kinds), f"a model on {made.features.named}"
        here = package_versions(packages, needs)
        self._computed_otherwise = [
            f"the model was measured on features of {name} {version}, here they are of "
            f"{here[name]}: answers may differ"
            for name, version in made.packages.items()
            if here[name] != version
        ]
        encoder = made.features.encoder
        if encoder and encoder_digest(made.features) != made.encoder_digest:
            raise UserError(
                f"the encoder {encoder!r} is not the one that the model was trained with "
                "(features.encoder): put that one there"
            )
        known = description.training_clips
        self._trained_on = known.of_nets(self._chosen_nets) if known else set[str]()

    @property
    def emotions(self) -> list[str]:
        """The model's emotions in alphabetical order."""
        return self.description.emotions

    @property
    def adapts(self) -> bool:
        """Whether the model can be adapted to a speaker: see `adapt`."""
        return self._model.normalisation == "speaker" or self._nets.adapt is not None

    @property
    def needs_a_voice(self) -> bool:
        """Whether the model must first be adapted to the speaker: see `adapt`."""
        return self._model.normalisation == "speaker" and self._voice is None

    def windows(self, length: float | None = None, hop: float | None = None) -> Windows:
        """Return how recordings are cut into windows.

        Args:
            length: of a window in seconds; None: recordings up to the length of the longest
                training clip stay whole, longer ones get windows of the median clip's length.
            hop: from window to window, in seconds; None: half a window.

        Raises:
            UserError: the window is shorter than a clip may be, or infinite; the hop is shorter
                than 0.01 s, or longer than the window.
        """
        seconds = self.description.corpus.seconds
        median = max(round(seconds.median, 1), self._limits.min_seconds)
        chosen = median if length is None else length
        step = chosen / 2 if hop is None else hop
        if not self._limits.min_seconds <= chosen < np.inf:
            raise UserError(
                f"a window of {chosen:g} s: at least {self._limits.min_seconds:g} s, and a finite "
                "length, are needed, as for the clips that the model was trained on"
            )
        if not step >= 0.01:  # `not`, because a comparison with NaN is false
            raise UserError(f"a hop of {step:g} s: at least 0.01 s is needed")
        if step > chosen:
            raise UserError(
                f"a hop of {step:g} s would skip audio: at most the window's {chosen:g} s is "
                "possible"
            )
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
            Rejected: the recording cannot be classified; `reason` is the code, such as silent or
                no_speech.
            UserError: the samples or the rate are not as above; the model must be adapted to the
                speaker first; or see `windows`.
        """
        waveform = as_float(samples)
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
        """Recognise a recording of any format that `ser.decoding.decoding` reads.

        Memory holds one window, or a clip as long as the longest training clip.

        Args:
            path: of the file.
            window: see `windows`.
            hop: see `windows`.
            longest: in seconds; longer recordings are rejected without reading all of them.

        Raises:
            Rejected: the recording cannot be classified, or the file is damaged or too long.
            UserError: the model must be adapted to the speaker first; or see `windows`.
        """
        windows = self.windows(window, hop)
        with open_stream(Path(path)) as stream:
            blocks = limited(stream.blocks, longest * stream.sample_rate)
            return self._predict(blocks, stream.sample_rate, windows)

    def adapt(self, recordings: Iterable[Recording]) -> int:
        """Adapt to a speaker, instead of the one it was adapted to before.

        Models with model.normalisation speaker require it. Others that can adapt lean towards the
        voice; more recordings move them further.

        Args:
            recordings: of that speaker only, with any emotions; unusable ones, and those without
                speech, are left out.

        Returns:
            the number of recordings that were used.

        Raises:
            UserError: there are too few; or the model does not adapt to voices.
        """
        self._require_adaptable()
        enrolled = []
        for recording in recordings:
            with suppress(Rejected):
                enrolled.append(self.enrol(recording))
        self._adapt(enrolled)
        return len(enrolled)

    def adapt_to_features(self, features: Sequence[FloatArray]) -> None:
        """Adapt to a speaker as `adapt` does, by the features of recordings.

        Args:
            features: float32 [frames, dims] each, as `features` returns them.

        Raises:
            UserError: see `adapt`.
        """
        self._require_adaptable()
        self._adapt([Enrolled(self._kept(each)) for each in features])

    def enrol(self, recording: Recording) -> Enrolled:
        """Return what is kept of a recording of a voice, to adapt to it: see `adapted_to`.

        Raises:
            Rejected: the recording cannot be used, or nobody speaks in it.
            UserError: the model does not adapt to voices.
        """
        self._require_adaptable()
        waveform = self._speech(self._checked(recording))
        is_narrow = is_narrowband(waveform, self._form.sample_rate)
        return Enrolled(self._kept(self.features(waveform)), is_narrow)

    def adapted_to(self, enrolled: Sequence[Enrolled]) -> "Recogniser":
        """Return a recogniser that is adapted to a speaker; this one stays as it is.

        Both have the weights in common, so many can be held at the same time.

        Args:
            enrolled: of recordings of that speaker only, as `enrol` returns them.

        Raises:
            UserError: see `adapt`.
        """
        self._require_adaptable()
        other = copy.copy(self)
        other._adapt(enrolled)
        return other

    def _kept(self, features: FloatArray) -> FloatArray:
        return features if self._nets.pool is None else self._nets.pool(features)

    def _adapt(self, enrolled: Sequence[Enrolled]) -> None:
        needs_one = self._model.normalisation == "speaker"
        of_clips = self._nets.adapt is not None or describes_whole_clips(self._dims)
        fewest = _MIN_VOICE_RECORDINGS if needs_one and of_clips else 1
        if len(enrolled) < fewest:
            why = f"{PER_SPEAKER}, it needs" if needs_one else "to adapt to a voice, it needs"
            raise UserError(
                f"{len(enrolled)} usable recordings of the speaker: {why} at least {fewest}"
            )
        values = [recording.values for recording in enrolled]
        if self._nets.adapt is None:
            self._voice = measure_statistics(values, self._dims)
        else:
            self._nets = self._nets.adapt(np.stack(values))
            self._voice = identity_statistics(self._dims)
        self.enrolled = tuple(enrolled)

    def _require_adaptable(self) -> None:
        if not self.adapts:
            raise UserError(
                f"this model, {self._model.name} with model.normalisation "
                f"{self._model.normalisation}, does not adapt to a voice, or not as a file that "
                "takes waveforms: the folder of a statpool model, and models trained with "
                "model.normalisation speaker, do"
            )

    def waveform(self, samples: NDArray[Any], rate: int) -> FloatArray:
        """Return the waveform that features are computed from.

        Args:
            samples: see `predict`.
            rate: sample rate in Hz.

        Returns:
            float32 [samples], see `ser.audio.standard.standardise`.

        Raises:
            Rejected: the recording cannot be used.
        """
        return self._waveform(Recording(as_float(samples), rate, ""))

    def _waveform(self, recording: Recording) -> FloatArray:
        return standardise(self._checked(recording), self._form)

    def _checked(self, recording: Recording) -> FloatArray:
        rate = self._form.sample_rate
        waveform = checked_waveform(recording, self._limits, rate)
        if self._knows_lines and (
            recording.sample_rate <= TELEPHONE_RATE or is_narrowband(waveform, rate)
        ):
            # The band of the lines in training: a narrow recording may reach lower and higher.
            waveform = band_limit(waveform, rate, *TELEPHONE_BAND)
        return waveform

    def _predict(self, blocks: Iterable[FloatArray], rate: int, windows: Windows) -> Prediction:
        if self.needs_a_voice:
            raise UserError(
                f"{PER_SPEAKER}: adapt it to the speaker first (`ser predict --one-speaker`, or "
                "`adapt`)"
            )
        digest = SamplesDigest(rate)
        heard: list[Window] = []
        narrow: list[bool] = []
        end = 0
        for start, samples, whole in cut(digest.reading(blocks), rate, windows):
            recording = Recording(samples, rate, "")
            if whole:
                answers, is_narrow = self._answer(recording)
                note = self._warning(rate, digest, [is_narrow])
                probabilities, values = self._by_name(answers)
                return Prediction(recording.seconds, probabilities, note=note, dimensions=values)
            end = start + len(samples)
            span = (start / rate, end / rate)
            try:
                answers, is_narrow = self._answer(recording)
                probabilities, values = self._by_name(answers)
                heard.append(Window(*span, probabilities, dimensions=values))
                narrow.append(is_narrow)
            except Rejected as verdict:
                heard.append(Window(*span, None, verdict.reason))
        note = self._warning(rate, digest, narrow)
        probabilities, values = self._by_name(self._mean(heard))
        return Prediction(end / rate, probabilities, tuple(heard), note, values)

    def _warning(self, rate: int, digest: SamplesDigest, narrow: Sequence[bool]) -> str | None:
        """Return why the prediction is less reliable than others, or None.

        Args:
            rate: of the recording, in Hz.
            digest: of all its samples.
            narrow: whether each of its windows with speech holds nothing above a telephone's band.
        """
        warnings = [*self._computed_otherwise]
        highest = self.description.preprocessing.highest_hertz
        if rate / 2 < highest and not (self._knows_lines and rate == TELEPHONE_RATE):
            warnings.append(
                f"sampled at {rate} Hz: the recording has nothing above {rate / 2:g} Hz, but the "
                f"model uses frequencies up to {highest:g} Hz, so it makes more mistakes"
            )
        if digest.hex() in self._trained_on:
            warnings.append(
                "the model was trained on this recording: the answer says nothing about new ones"
            )
        voice = [each.is_narrow for each in self.enrolled if each.is_narrow is not None]
        if voice and narrow and mostly_narrow(voice) != mostly_narrow(narrow):
            band = "hold nothing" if mostly_narrow(voice) else "reach"
            warnings.append(
                f"unlike this recording, those of the voice {band} above {ABOVE:.0f} Hz: adapted "
                "to another band, the model makes more mistakes"
            )
        return "; ".join(warnings) or None

    def _speech(self, heard: FloatArray) -> FloatArray:
        """Return the standard form of a checked waveform in which somebody speaks."""
        waveform = standardise(heard, self._form)
        if not holds_speech(waveform, self._form.sample_rate):
            raise Rejected(NO_SPEECH, "nobody speaks in it")
        return waveform

    def _answer(self, recording: Recording) -> tuple[NDArray[np.float64], bool]:
        """Recognise a recording or a window of one.

        Returns:
            (probabilities and values [emotions + dimensions], whether it holds nothing above the
            band of a telephone line).
        """
        heard = self._checked(recording)
        waveform = self._speech(heard)
        mean: NDArray[np.float64] = self._answers(heard, waveform)[self._chosen_nets].mean(axis=0)
        return mean, is_narrowband(waveform, self._form.sample_rate)

    def fold_answers(self, samples: NDArray[Any], rate: int) -> NDArray[np.float64]:
        """Compute the answer of each fold's net, without a check for speech.

        Args:
            samples: see `predict`.
            rate: sample rate in Hz.

        Returns:
            probabilities, then values of the dimensions, [folds, emotions + dimensions].

        Raises:
            Rejected: the recording cannot be used.
            UserError: the nets do not answer with probabilities.
        """
        heard = self._checked(Recording(as_float(samples), rate, ""))
        return self._answers(heard, standardise(heard, self._form))

    def features(self, waveform: FloatArray) -> FloatArray:
        """Compute a clip's features [frames, dims]; `probabilities` normalises them.

        Args:
            waveform: as `waveform` returns it.
        """
        made = self.description.preprocessing
        return extract(waveform, made.form.sample_rate, made.features, made.banks)

    def probabilities(self, features: FloatArray) -> NDArray[np.float64]:
        """Compute the probabilities [emotions] of a clip's features, without a check for speech.

        Only for models whose nets take features: see `takes_waveforms`.

        Args:
            features: float32 [frames, dims], as `features` returns them, or changed.

        Raises:
            UserError: the nets do not answer with probabilities.
        """
        mean: NDArray[np.float64] = self._feature_answers(features)[self._chosen_nets].mean(axis=0)
        return mean[: len(self.emotions)]

    @property
    def takes_waveforms(self) -> bool:
        """Whether the nets take waveforms, and compute the features themselves, out of reach."""
        return self._nets.take == WAVEFORM

    def _answers(self, heard: FloatArray, waveform: FloatArray) -> NDArray[np.float64]:
        """Compute the answers [folds, emotions + dimensions] from the input that the nets take."""
        if self.takes_waveforms:
            return self._checked_answers(self._nets.answer(heard))
        return self._feature_answers(self.features(waveform))

    def _feature_answers(self, features: FloatArray) -> NDArray[np.float64]:
        taken = input_of_folds(features, self.description, self._voice)
        return self._checked_answers(self._nets.answer(taken))

    def _checked_answers(self, answers: FloatArray) -> NDArray[np.float64]:
        """Check that the nets answered with probabilities and with values in 0..1; return these.

        Raises:
            UserError: they did not.
        """
        probabilities, values = split_answers(answers, self.description)
        # `not`, because a comparison with NaN is false.
        if not (
            answers.min() >= 0
            and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
            and (values <= 1).all()
        ):
            raise UserError("the model's answers are not probabilities: its weights are damaged")
        return answers.astype(np.float64)

    def _by_name(
        self, answers: Sequence[float] | NDArray[np.float64]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return an answer as (emotion -> probability, dimension -> value)."""
        numbers, emotions = list(map(float, answers)), len(self.emotions)
        return (
            dict(zip(self.emotions, numbers[:emotions], strict=True)),
            dict(zip(self.description.dimensions, numbers[emotions:], strict=True)),
        )

    def _mean(self, heard: Sequence[Window]) -> NDArray[np.float64]:
        """Average the answers about the windows that have any, each moment counted once."""
        known = {
            (w.start, w.end): [*w.probabilities.values(), *w.dimensions.values()]
            for w in heard
            if w.probabilities
        }
        if known:
            weights = shared_seconds(list(known))
            mean: NDArray[np.float64] = np.average(list(known.values()), axis=0, weights=weights)
            return mean
        raise rejection_of([window.reason or NO_SPEECH for window in heard])


def rejection_of(reasons: Collection[str]) -> Rejected:
    """Return the verdict about a recording whose windows were all rejected for these reasons."""
    if not reasons:
        return Rejected("zero_length", "no samples")
    (reason,) = set(reasons) if len(set(reasons)) == 1 else (NO_SPEECH,)
    return Rejected(reason, f"this holds for each of its {len(reasons)} windows")


def _net_indices(folds: Sequence[int], fold: int | None) -> list[int]:
    """Return the indices of the nets to use: those of all folds, or that of one.

    >>> _net_indices([1, 2, 3], None), _net_indices([1, 2, 3], 2)
    ([0, 1, 2], [1])

    Raises:
        UserError: there is no such fold.
    """
    if fold is None:
        return list(range(len(folds)))
    if fold not in folds:
        raise UserError(f"the model has no fold {fold}: it has {', '.join(map(str, folds))}")
    return [list(folds).index(fold)]
