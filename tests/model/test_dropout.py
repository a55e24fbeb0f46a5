import torch

from seq2sum.model.dropout import Noise, apply_noise


def test_keeps_the_expectation_and_zeroes_its_share():
    values = torch.ones(200_000)
    dropped = Noise(0.3, False, torch.Generator().manual_seed(1))(values)
    assert abs((dropped == 0).float().mean().item() - 0.3) < 0.01
    assert abs(dropped.mean().item() - 1.0) < 0.01


def test_depends_on_its_own_generator_alone():
    values = torch.ones(50)
    first = Noise(0.5, False, torch.Generator().manual_seed(1))(values)
    torch.rand(3)
    again = Noise(0.5, False, torch.Generator().manual_seed(1))(values)
    other = Noise(0.5, False, torch.Generator().manual_seed(2))(values)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_noise_values_pass_untouched():
    values = torch.randn(5)
    assert apply_noise(None, values) is values


def test_variational_dropout_takes_the_same_features_from_all_positions_of_a_row():
    noise = Noise(0.5, True, torch.Generator().manual_seed(1))
    for time_dim in (0, 1):
        dropped = noise(torch.ones(40, 40, 16), time_dim)
        first = dropped.select(time_dim, 0).unsqueeze(time_dim)
        assert torch.equal(dropped, first.expand_as(dropped))
        assert 0 < (first == 0).float().mean() < 1
        assert not torch.equal(dropped.select(1 - time_dim, 0), dropped.select(1 - time_dim, 1))
