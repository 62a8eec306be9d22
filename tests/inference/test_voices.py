import numpy as np
import pytest
import torch
from small_model import standardise

from ser.core.errors import UserError
from ser.inference.voices import Standard, adaptable_nets, leaning, measured
from ser.nets.statpool import StatPool

RNG = np.random.default_rng(0)
TRAINED = Standard(
    RNG.normal(3, 1, (2, 7)).astype(np.float32), RNG.uniform(1, 2, (2, 7)).astype(np.float32)
)


@pytest.mark.parametrize("clips", [1, 2, 5, 40])
def test_a_voice_counts_by_its_number_of_clips(clips):
    pooled = RNG.normal(size=(clips, 2, 7)).astype(np.float32)
    adapted = leaning(TRAINED, pooled)
    expected = (pooled.sum(axis=0) + 3 * TRAINED.centre) / (clips + 3)
    np.testing.assert_allclose(adapted.centre, expected, atol=1e-5)
    assert adapted.centre.dtype == np.float32
    np.testing.assert_array_equal(adapted.scale, TRAINED.scale)


def test_a_voice_is_measured_as_in_training():
    """Also a column that hardly varies, or not at all."""
    net = StatPool(bands=16, emotions=3, width=4, dropout=0)
    columns = net.centre.shape[1]
    deviations = np.resize([0, 1e-5, 1e-3, 1, 100], columns)
    pooled = (5 + deviations * RNG.normal(size=(30, 1, columns))).astype(np.float32)
    standardise(net, torch.from_numpy(pooled[:, 0]))
    adapted = measured(TRAINED, pooled)
    np.testing.assert_allclose(adapted.centre, net.centre.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(adapted.scale, net.scale.numpy(), rtol=1e-3)
    assert adapted.centre.dtype == adapted.scale.dtype == np.float32


def test_what_another_model_keeps_of_a_voice_is_refused():
    nets = adaptable_nets(lambda features, standard: (features, features), TRAINED, False)
    with pytest.raises(UserError, match=r"\(2, 8\), is of another model: this one pools \(2, 7\)"):
        nets.adapt(np.zeros((3, 2, 8), np.float32))
