"""Properties of the three MGLL terms: equality with plain N x N forms, invariances, floors, degenerate batches."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from mgll_train.losses.cosines import cosines  # noqa: E402
from mgll_train.losses.pointwise import pointwise  # noqa: E402
from mgll_train.losses.smooth_kl import smooth_kl  # noqa: E402
from mgll_train.losses.soft_clip import soft_clip  # noqa: E402

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
MODES = [(counts, norm) for counts in ("instance", "unique") for norm in ("images", "labels")]


def draw(seed, images=9, texts=6, filled=0.4, spread=3.0):
    """Logits, multi-hot targets with at least one label a row, and a mask that keeps every positive. fp64."""
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(images, texts, generator=generator, dtype=torch.float64)
    targets = (torch.rand(images, texts, generator=generator) < filled).double()
    targets[torch.arange(images), torch.randint(texts, (images,), generator=generator)] = 1
    valid = (torch.rand(images, texts, generator=generator) < 0.7) | (targets > 0)
    return logits, targets, valid


def single(seed, images=10, texts=4):
    """Logits and one label a row, labels shared by several rows."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(images, texts, generator=generator, dtype=torch.float64)
    label = torch.randint(texts, (images,), generator=generator)
    return logits, F.one_hot(label, texts).double(), label


@pytest.mark.parametrize(("counts", "norm"), MODES)
def test_one_unique_text_per_image_is_clip(counts, norm):
    logits = 4 * torch.randn(12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    label = torch.arange(12)
    expected = (F.cross_entropy(logits, label) + F.cross_entropy(logits.T, label)) / 2
    loss, floor = soft_clip(logits, torch.eye(12, dtype=torch.float64), counts=counts, norm=norm)
    torch.testing.assert_close(loss, expected, **CLOSE)
    assert floor.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("images", [10, 32, 48])
@pytest.mark.parametrize("spread", [1, 1000])  # exponentials overflow unless each row and column has its own maximum
def test_instance_mode_is_cross_entropy_over_all_pairs_of_samples(images, spread):
    """With duplicates: equal to the N x N matrix with equality targets divided by their row sums."""
    logits, targets, label = single(images, images)
    logits = spread * logits + torch.tensor([0, 0, 0, spread - 1])
    square = logits[:, label]
    same = (label[:, None] == label[None]).double()
    wanted = same / same.sum(1, keepdim=True)
    expected = (F.cross_entropy(square, wanted) + F.cross_entropy(square.T, wanted)) / 2
    torch.testing.assert_close(soft_clip(logits, targets)[0], expected, **CLOSE)
    assert abs(soft_clip(logits, targets, counts="unique")[0] - expected) > 0.05


@pytest.mark.parametrize("norm", ["images", "labels"])
def test_soft_clip_equals_a_loop_over_eq_1_to_3(norm):
    """The definition, written as loops over images, labels and text instances, masks included."""
    logits, targets, valid = draw(5)
    instances = [(j, k) for j in range(9) for k in range(6) if targets[j, k] > 0]
    image_to_text = text_to_image = 0.0
    total = targets.sum()
    for i in range(9):
        w = targets[i] / targets[i].sum()
        below = torch.stack([logits[i, k] for _, k in instances if valid[i, k]]).logsumexp(0)
        image_to_text += sum(w[k] * (below - logits[i, k]) for k in range(6)) / (9 if norm == "images" else total)
        for k in range(6):
            if targets[i, k] > 0:
                beside = torch.stack([logits[j, k] for j in range(9) if valid[j, k]]).logsumexp(0)
                factor = 1 if norm == "images" else w[k]
                text_to_image += factor * (beside - logits[i, k]) / total
    loss, _ = soft_clip(logits, targets, valid, norm=norm)
    torch.testing.assert_close(loss, (image_to_text + text_to_image) / 2, **CLOSE)


def test_soft_clip_takes_logits_in_any_order_of_memory():
    logits, targets, valid = draw(4, images=32, texts=32)
    stored_by_columns = logits.T.contiguous().T
    expected = soft_clip(logits, targets, valid)
    torch.testing.assert_close(soft_clip(stored_by_columns, targets, valid), expected, **CLOSE)


def test_unknown_pairs_take_no_part_in_soft_clip():
    logits, targets, valid = draw(6)
    changed = torch.where(valid, logits, 50 * torch.randn_like(logits))
    torch.testing.assert_close(soft_clip(changed, targets, valid)[0], soft_clip(logits, targets, valid)[0], **CLOSE)
    leaf = logits.clone().requires_grad_()
    soft_clip(leaf, targets, valid)[0].backward()
    assert (leaf.grad[~valid] == 0).all()
    assert soft_clip(changed, targets)[0] != soft_clip(logits, targets)[0]


@pytest.mark.parametrize(("counts", "norm"), MODES)
def test_a_text_that_no_image_carries_and_a_positive_that_is_unknown_take_no_part_in_soft_clip(counts, norm):
    logits, targets, valid = draw(10)
    expected = soft_clip(logits, targets, counts=counts, norm=norm)
    wider = torch.cat([logits, torch.full((9, 1), 50.0)], 1), F.pad(targets, (0, 1))
    torch.testing.assert_close(soft_clip(*wider, counts=counts, norm=norm), expected, **CLOSE)
    valid[2, targets[2].argmax()] = False
    assert (targets > valid).any()
    masked, cleared = (soft_clip(logits, y, valid, counts=counts, norm=norm) for y in (targets, targets * valid))
    torch.testing.assert_close(masked, cleared, **CLOSE)


@pytest.mark.parametrize(("counts", "norm"), MODES)
def test_the_floor_is_the_entropy_of_the_targets_and_what_the_counts_add(counts, norm):
    _, targets, _ = draw(12)
    carriers, labels = targets.sum(0), targets.sum()
    rows = columns = 0.0
    for i in range(9):
        for k in range(6):
            if targets[i, k] > 0:
                w = 1 / targets[i].sum()
                rows -= w * (w / (carriers[k] if counts == "instance" else 1)).log()
    spread = targets if norm == "images" else targets / targets.sum(1, keepdim=True)
    for k in range(6):
        columns -= sum(w * math.log(w / spread[:, k].sum()) for w in spread[:, k] if w > 0)
    expected = (rows / (9 if norm == "images" else labels) + columns / labels) / 2
    floor = soft_clip(torch.zeros(9, 6, dtype=torch.float64), targets, counts=counts, norm=norm)[1]
    torch.testing.assert_close(floor, torch.as_tensor(expected), **CLOSE)


def everything(logits, targets, valid):
    """All terms in all modes, as one vector."""
    values = [soft_clip(logits[0], targets[0], valid[0], counts=c, norm=n)[0] for c, n in MODES]
    for reduction in ("mean", "eq4"):
        for weighted in (False, True):
            settings_ = {"reduction": reduction, "count_weighted": weighted}
            values.append(pointwise(logits[0], targets[0], valid[0], **settings_))
    values += [smooth_kl(logits, targets).loss, smooth_kl(logits, targets).of_targets]
    return torch.stack(values)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_invariant_under_order_of_images_texts_and_levels(seed):
    first, second = draw(seed), draw(seed + 1, texts=4)
    before = everything(*zip(first, second, strict=True))
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.randperm(9, generator=generator), torch.randperm(6, generator=generator)
    moved = [matrix[rows][:, columns] for matrix in first]
    after = everything(*zip(moved, [matrix[rows] for matrix in second], strict=True))
    torch.testing.assert_close(after, before, **CLOSE)
    swapped = smooth_kl([second[0], first[0]], [second[1], first[1]]).loss
    torch.testing.assert_close(swapped, before[-2], **CLOSE)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(MODES), st.sampled_from([1, 2, 7]), st.floats(0, 1))
def test_floor_is_a_lower_bound(seed, mode, texts, filled):
    logits, targets, valid = draw(seed, texts=texts, filled=filled)
    for mask in (valid, None):
        loss, floor = soft_clip(logits, targets, mask, counts=mode[0], norm=mode[1])
        assert loss >= floor - 1e-9
    assert smooth_kl([logits, logits.flip(1)], [targets, targets]).loss >= -1e-12


def test_floor_is_reached_by_separable_features_as_the_scale_grows():
    _, targets, _ = single(40)
    gaps = []
    for scale in (1.0, 10.0, 100.0):
        loss, floor = soft_clip(scale * (2 * targets - 1), targets)
        gaps.append((loss - floor).item())
    assert gaps[0] > gaps[1] > gaps[2] >= -1e-9
    assert gaps[2] < 1e-9
    per_image = (targets @ targets.sum(0)).log().mean()
    torch.testing.assert_close(floor, per_image, **CLOSE)


@pytest.mark.parametrize(("counts", "norm"), MODES)
def test_gradcheck_soft_clip(counts, norm):
    logits, targets, valid = draw(50, images=5, texts=4)
    leaf = logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: soft_clip(x, targets, valid, counts=counts, norm=norm)[0], leaf)


def test_gradient_of_image_to_text_is_the_weighted_centroid():
    """d/dv_i = s / N * sum_k (p_ik - w_ik) t_k with p the softmax of logits plus log counts (no text-to-image part)."""
    generator = torch.Generator().manual_seed(54)
    images = torch.randn(7, 5, generator=generator, dtype=torch.float64).requires_grad_()
    texts = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    _, targets, _ = draw(54, images=7)
    logits = 3 * images @ texts.T
    counts = targets.sum(0)
    alive = counts > 0
    seen = torch.where(alive, logits + counts.clamp_min(1).log(), -torch.inf)
    weights = targets / targets.sum(1, keepdim=True)
    loss, _ = soft_clip(logits, targets)
    shares = (targets * (logits.logsumexp(0) - logits)).sum() / targets.sum()
    (got,) = torch.autograd.grad(2 * loss - shares, images)
    expected = 3 / 7 * (seen.softmax(1) - weights) @ texts
    torch.testing.assert_close(got, expected.detach(), **CLOSE)


def test_row_without_labels_can_be_deleted():
    logits, targets, valid = draw(60)
    targets[[0, 5]] = 0
    kept = [i for i in range(9) if i not in (0, 5)]
    for counts, norm in MODES:
        for known in (valid, torch.ones_like(valid)):
            whole, part = (soft_clip(logits[r], targets[r], known[r], counts=counts, norm=norm) for r in (..., kept))
            torch.testing.assert_close(whole, part, **CLOSE)
        torch.testing.assert_close(whole, soft_clip(logits, targets, counts=counts, norm=norm), **CLOSE)
    leaf = logits.clone().requires_grad_()
    soft_clip(leaf, targets)[0].backward()
    assert (leaf.grad[[0, 5]] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "case", ["no label", "nothing known", "one text", "one class", "no text", "one image", "large logits"]
)
def test_degenerate_batches_are_finite(case, dtype):
    logits, targets, valid = draw(70)
    if case in ("no label", "nothing known"):
        targets = torch.zeros_like(targets)
        valid = torch.zeros_like(valid) if case == "nothing known" else valid
    elif case == "one text":
        logits, targets, valid = logits[:, :1], targets[:, :1], valid[:, :1]
    elif case == "one class":
        targets = torch.zeros_like(targets)
        targets[:, 2] = 1
    elif case == "no text":
        logits, targets, valid = logits[:, :0], targets[:, :0], valid[:, :0]
    elif case == "one image":
        logits, targets, valid = logits[:1], targets[:1], valid[:1]
    elif case == "large logits":
        logits = logits * 1e4
    other = draw(71)[0][: len(logits)].to(dtype).requires_grad_()
    leaf = logits.to(dtype).requires_grad_()
    targets = targets.to(dtype)
    with torch.autograd.set_detect_anomaly(True):
        pairs = [soft_clip(leaf, targets, valid, counts=c, norm=n) for c, n in MODES]
        values = [loss for loss, _ in pairs]
        values += [pointwise(leaf, targets, valid, reduction=r) for r in ("mean", "eq4")]
        wide = torch.ones(len(leaf), 6, dtype=dtype)
        values.append(smooth_kl([leaf, other], [targets, wide]).loss)
        assert all(value.isfinite() for value in values) and all(floor.isfinite() for _, floor in pairs)
        torch.stack(values).sum().backward()
    assert leaf.grad.isfinite().all()
    assert other.grad.isfinite().all()


def test_one_class_in_the_whole_batch_gives_log_n_and_no_gradient():
    logits = draw(72)[0][:, :1].requires_grad_()
    ones = torch.ones(9, 1, dtype=torch.float64)
    loss, floor = soft_clip(logits, ones)
    flat = torch.zeros(9, 1, dtype=torch.float64)
    assert soft_clip(flat, ones)[0].item() == pytest.approx(math.log(9))
    assert floor.item() == pytest.approx(math.log(9))
    spread = (logits.logsumexp(0) - logits).mean()
    torch.testing.assert_close(loss, (math.log(9) + spread) / 2, **CLOSE)
    # Image to text has none: what there is comes from text to image.
    (slope,), (of_spread,) = torch.autograd.grad(loss, logits), torch.autograd.grad(spread / 2, logits)
    torch.testing.assert_close(slope, of_spread, **CLOSE)


def test_a_value_that_is_not_finite_is_not_hidden():
    logits, targets, valid = draw(73)
    logits[2, targets[2].argmax()] = math.nan
    assert soft_clip(logits, targets, valid)[0].isnan()
    assert pointwise(logits, targets, valid).isnan()
    assert smooth_kl([logits, draw(74)[0]], [targets, targets]).loss.isnan()


def test_a_second_derivative_is_refused():
    image = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    texts = torch.randn(2, 3, dtype=torch.float64)
    targets = torch.eye(2, dtype=torch.float64).repeat(2, 1)
    logits = [image @ texts.T, image @ texts.T * 2]
    for loss in (
        cosines(image, texts).sum(),
        soft_clip(logits[0], targets)[0],
        pointwise(logits[0], targets),
        smooth_kl(logits, [targets, targets]).loss,
    ):
        with pytest.raises(RuntimeError, match="create_graph must be False"):
            torch.autograd.grad(loss, image, create_graph=True)
