import pytest
import torch
from torch import nn

from transferhub.engine import kernels


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 12), (3, 5, 12)])
def test_linear_and_its_gradients_are_torchs(shape, bias):
    torch.manual_seed(0)
    plain = nn.Linear(12, 9, bias=bias)
    fast = kernels.speed_up(nn.Sequential(nn.Linear(12, 9, bias=bias)))
    fast[0].load_state_dict(plain.state_dict())
    assert type(fast[0]) is kernels.Linear
    one = torch.randn(shape, requires_grad=True)
    two = one.detach().clone().requires_grad_()
    weights = torch.randn(*shape[:-1], 9)
    (plain(one) * weights).sum().backward()
    (fast(two) * weights).sum().backward()
    torch.testing.assert_close(plain(one), fast(two), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(one.grad, two.grad, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-5)


def test_dropout_zeroes_its_part_and_keeps_the_mean():
    layer = kernels.speed_up(nn.Sequential(nn.Dropout(0.1)))
    kernels.masks.reseed(1, "test")
    out = layer(torch.ones(1000, 1000))
    assert (out == 0).float().mean().item() == pytest.approx(0.1, abs=0.002)
    assert out.mean().item() == pytest.approx(1.0, abs=0.003)
    assert set(out.unique().tolist()) == {0.0, torch.tensor(1 / 0.9).item()}
    assert torch.equal(layer.eval()(torch.ones(3)), torch.ones(3))


def test_dropout_masks_are_a_function_of_the_seed():
    def draw(*purpose):
        kernels.masks.reseed(*purpose)
        return kernels.dropped(torch.ones(101), 0.5)

    assert torch.equal(draw(1, "a"), draw(1, "a"))
    assert not torch.equal(draw(1, "a"), draw(1, "b"))


def test_the_gradient_of_dropout_goes_where_the_values_went():
    kernels.masks.reseed(0)
    value = torch.ones(50, requires_grad=True)
    out = kernels.dropped(value, 0.3)
    out.sum().backward()
    assert torch.equal(value.grad, out.detach())


def test_an_encoder_gives_the_same_numbers_with_and_without(tiny):
    from transformers import AutoModel

    from transferhub.module.encoder import quietly

    with quietly():
        plain = AutoModel.from_pretrained(tiny, attn_implementation="eager").eval()
        fast = kernels.speed_up(AutoModel.from_pretrained(tiny)).eval()
    assert fast.config._attn_implementation == kernels.ATTENTION
    ids = torch.randint(5, 50, (4, 11))
    mask = torch.ones_like(ids)
    mask[2, 3:] = 0
    with torch.no_grad():
        torch.testing.assert_close(
            plain(ids, attention_mask=mask).pooler_output,
            fast(ids, attention_mask=mask).pooler_output,
            rtol=0,
            atol=1e-6,
        )
