"""Cosines without a normalised copy of the images, against the plain form."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from mgll_train.losses.cosines import cosines  # noqa: E402


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cosines_are_those_of_unit_vectors_with_their_gradients(dtype):
    generator = torch.Generator().manual_seed(5)
    image = (torch.randn(5, 7, generator=generator) * torch.logspace(-8, 8, 5)[:, None]).to(dtype)
    image[2] = 0  # a feature without length: cosine 0, and the gradient of F.normalize
    texts = F.normalize(torch.randn(3, 7, generator=generator).to(dtype), dim=1)
    weights = torch.randn(5, 3, generator=generator).to(dtype)
    found = []
    for work in (cosines, lambda x, y: F.normalize(x, dim=1) @ y.T):
        one, two = image.clone().requires_grad_(), texts.clone().requires_grad_()
        result = work(one, two)
        found.append((result, *torch.autograd.grad((result * weights).sum(), (one, two))))
    for mine, plain in zip(*found, strict=True):
        scale = plain.abs().amax(-1, keepdim=True).clamp_min(1e-30)
        torch.testing.assert_close(mine / scale, plain / scale, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-12)
    leaves = (image[[0, 1, 3]].double() * 0 + 1 + torch.rand(3, 7), texts.double())
    assert torch.autograd.gradcheck(cosines, tuple(leaf.requires_grad_() for leaf in leaves))
