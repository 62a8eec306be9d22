"""The type of arrays of samples and features."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
