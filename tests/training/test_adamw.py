import torch

from seq2sum.training.adamw import BETA1, BETA2, AdamW


def parameters() -> list[torch.nn.Parameter]:
    torch.manual_seed(1)
    return [torch.nn.Parameter(torch.randn(size)) for size in ((3, 4), (5,), (2, 2))]


def test_it_makes_the_updates_of_pytorch_s_own_and_leaves_what_has_no_gradient():
    ours, expected = parameters(), parameters()
    optimizer = AdamW(ours, weight_decay=0.1)
    reference = torch.optim.AdamW(expected, betas=(BETA1, BETA2), weight_decay=0.1, fused=True)
    for step in range(6):
        for index in range(2 if step < 3 else 3):
            gradient = torch.randn(ours[index].shape)
            ours[index].grad, expected[index].grad = gradient, gradient.clone()
        optimizer.rate = reference.param_groups[0]["lr"] = 0.1 / (1 + step)
        optimizer.step()
        reference.step()
        assert all(map(torch.equal, ours, expected))
        assert len(optimizer.state) == (2 if step < 3 else 3)
    for parameter, other in zip(ours, expected, strict=True):
        assert optimizer.state[parameter].keys() == reference.state[other].keys()
        assert all(torch.equal(value, reference.state[other][key]) for key, value in optimizer.state[parameter].items())
