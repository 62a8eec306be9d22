"""The array that samples and features are kept in."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
