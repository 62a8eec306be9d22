"""Base class of nets that standardise pooled statistics of clips instead of their features."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn


class StandardisingNet(nn.Module, ABC):
    """A net that pools each clip into one vector, and standardises vectors over clips.

    Its Needs have `standardises_pooled`. Call `tune` once, then `standardise_by` before training.
    With model.normalisation speaker, call `standardise_voices_by` again whenever the weights have
    changed.

    Attributes:
        centre: [1, pooled], the mean to standardise by.
        scale: [1, pooled], the deviation.
    """

    centre: Tensor
    scale: Tensor

    @abstractmethod
    def tune(self, band_hertz: NDArray[np.float64]) -> None:
        """Set the frequencies of the mel bands; a trained net has them in its weights.

        Args:
            band_hertz: [bands], the centre of each mel band in Hz.
        """

    @abstractmethod
    def known_transforms(self) -> list[Tensor]:
        """Return the weights that are initialised with known transforms."""

    @abstractmethod
    def pool(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Pool each clip into one vector: [batch, pooled]."""

    @abstractmethod
    def classify(self, standard: Tensor) -> Tensor:
        """Compute the logits from standardised pooled vectors: [batch, emotions]."""

    @abstractmethod
    def standardise_by(self, mean: Tensor, deviation: Tensor) -> None:
        """Set the mean and the deviation to standardise by.

        Args:
            mean: [pooled].
            deviation: [pooled], 0 for values that are constant.
        """

    @abstractmethod
    def standardise_voices_by(self, means: Tensor, deviations: Tensor) -> None:
        """Set the mean and the deviation of each voice, [voices, pooled], in the same way."""
