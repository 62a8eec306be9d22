"""The kind of net that standardises what it pools of clips, in place of their features."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn


class StandardisingNet(nn.Module):
    """A net that describes each clip by one row of numbers, and measures those over clips.

    Its Needs say `standardises_pooled`. It is tuned once, measured before it is trained, and for
    model.normalisation speaker it measures every voice anew with the weights of the moment.
    """

    @abstractmethod
    def tune(self, band_hertz: NDArray[np.float64]) -> None:
        """Set where the bands lie; a trained net has it among its weights.

        Args:
            band_hertz: the middle of each mel band, in Hz [bands].
        """

    @abstractmethod
    def known_transforms(self) -> list[Tensor]:
        """List the weights that begin as known transforms."""

    @abstractmethod
    def pool(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Describe each clip by one row of numbers: [batch, pooled]."""

    @abstractmethod
    def measure(self, pooled: Tensor) -> None:
        """Take the mean and the deviation of what was pooled of some clips as 0 and 1.

        Args:
            pooled: [clips, pooled].
        """

    @abstractmethod
    def measure_voices(self, pooled: Tensor, voices: Tensor) -> None:
        """Take the mean and the deviation of each voice's clips as its 0 and 1.

        Args:
            pooled: [clips, pooled].
            voices: int64 [clips], from 0 on, none left out.
        """
