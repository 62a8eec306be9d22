import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.core.rejection import Rejected
from ser.decoding.decoding import decode


class LostFile(io.FileIO):
    """A file on a share that is lost while it is read."""

    def read(self, size=-1):
        if self.tell() + size > Path(self.name).stat().st_size // 2:
            raise OSError(5, "Input/output error")
        return super().read(size)

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class LostPath(type(Path())):
    def open(self, mode):
        return LostFile(self, mode)


# cffi prints what it ignores.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("suffix", "subtype"), [("wav", "PCM_16"), ("flac", None), ("au", None)])
def test_a_file_that_cannot_be_read_to_its_end_is_rejected_for_that(tmp_path, suffix, subtype):
    path = tmp_path / f"noise.{suffix}"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 160_000)
    soundfile.write(path, noise, 16_000, subtype)
    with pytest.raises(Rejected, match="Input/output error") as rejected:
        decode(LostPath(path))
    assert rejected.value.reason == "undecodable"
