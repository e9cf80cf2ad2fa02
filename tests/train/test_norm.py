"""BatchNorm over all ranks: in one process it is torch's own. Two ranks: tests/train/test_ranks_train.py, `tiny`."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
from timm.layers import BatchNormAct2d  # noqa: E402
from torch import nn  # noqa: E402

from mgll_train import norm  # noqa: E402


def both(layer):
    """The layer, shaken so that nothing is 0 or 1, and its copy over all ranks."""
    torch.manual_seed(0)
    layer = nn.Sequential(layer.double())
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    other = copy.deepcopy(layer)
    norm.over_all_ranks(other, cuda=False)
    assert isinstance(other[0], norm.GlobalBatchNorm)
    return layer, other


LAYERS = {
    "2d": (lambda: nn.BatchNorm2d(3), (4, 3, 5, 2)),
    "1d": (lambda: nn.BatchNorm1d(3), (7, 3)),
    "plain": (lambda: nn.BatchNorm2d(3, affine=False, track_running_stats=False), (4, 3, 2, 2)),
    "cumulative": (lambda: nn.BatchNorm2d(3, momentum=None), (4, 3, 2, 2)),
    "with an activation": (lambda: BatchNormAct2d(3), (4, 3, 2, 2)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_one_process_is_torch(name):
    make, shape = LAYERS[name]
    old, new = both(make())
    assert list(old.state_dict()) == list(new.state_dict())
    for _ in range(3):
        values = (5 + torch.randn(shape, dtype=torch.float64)).requires_grad_()
        twin = values.detach().clone().requires_grad_()
        weights = torch.randn(shape, dtype=torch.float64)
        for layer, x in ((old, values), (new, twin)):
            layer.zero_grad()
            (layer(x) * weights).sum().backward()
        torch.testing.assert_close(twin.grad, values.grad)
        for one, two in zip(old.parameters(), new.parameters(), strict=True):
            torch.testing.assert_close(two.grad, one.grad)
    torch.testing.assert_close(new.state_dict(), old.state_dict())
    for layer in (old, new):
        layer.eval()
    torch.testing.assert_close(new(values), old(values))
    if name != "plain":
        torch.testing.assert_close(new.state_dict(), old.state_dict())  # nothing was remembered


def test_fp32_loses_no_digits_where_the_mean_is_large():
    _, layer = both(nn.BatchNorm2d(2))
    values = 1e4 + torch.randn(8, 2, 6, 6, dtype=torch.float64)
    exact = layer(values)
    found = copy.deepcopy(layer).float()(values.float())
    assert (found - exact).abs().max() < 5e-3  # fp32 holds 1e4 to 1e-3


def test_half_precision_stays_half_and_channels_last_stay_last():
    _, layer = both(nn.BatchNorm2d(4))
    values = torch.randn(2, 4, 6, 6).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    found = layer.float()(values)
    assert found.dtype == torch.bfloat16 and found.is_contiguous(memory_format=torch.channels_last)


def test_gradients_are_right():
    _, layer = both(nn.BatchNorm1d(3, track_running_stats=False))
    values = torch.randn(5, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (values,))


def test_trained_layers_are_found_and_locked_ones_not():
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2), nn.BatchNorm1d(2))
    network[0].requires_grad_(False)
    assert norm.trained(network) == ["2"]
    norm.over_all_ranks(network, cuda=False)
    assert norm.trained(network) == ["2"]
