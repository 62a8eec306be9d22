import hashlib

import numpy as np
import pytest

from ser.core.recording import SamplesDigest


def digest_of(samples, rate, sizes):
    digest = SamplesDigest(rate)
    blocks = np.split(samples, np.cumsum(sizes))
    for block, passed in zip(blocks, digest.reading(blocks), strict=True):
        assert passed is block
    return digest.hex()


@pytest.mark.parametrize("channels", [1, 2])
def test_a_digest_is_that_of_the_rate_and_of_all_samples_however_they_are_read(channels):
    samples = np.random.default_rng(0).normal(0, 0.1, (1000, channels)).astype(np.float32)
    data = (16000).to_bytes(4, "little") + samples.astype("<f4").tobytes()
    expected = hashlib.blake2b(data, digest_size=8).hexdigest()
    for sizes in ([], [1], [0, 999], [300, 300]):
        assert digest_of(samples, 16000, sizes) == expected
    # Not contiguous, and of the other order of bytes.
    assert digest_of(np.asfortranarray(samples), 16000, [7]) == expected
    assert digest_of(samples.astype(">f4"), 16000, [7]) == expected
    assert digest_of(samples, 16001, []) != expected
    assert digest_of(samples[:-1], 16000, []) != expected
    assert digest_of(samples * np.float32(0.5), 16000, []) != expected
