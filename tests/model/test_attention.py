import pytest
import torch

from seq2sum.model import attention
from seq2sum.model.attention import build_attention

ROWS, QUERIES, POSITIONS, SIZE = 2, 5, 6, 4
KINDS = ("general", "dot", "additive")


def inputs(seed=1, requires_grad=False):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(ROWS, QUERIES, SIZE, generator=generator).requires_grad_(requires_grad)
    states = torch.randn(ROWS, POSITIONS, SIZE, generator=generator).requires_grad_(requires_grad)
    return queries, states, torch.arange(POSITIONS) < torch.tensor([[POSITIONS], [3]])


def attend(module, queries, states, mask):
    return module.log_weights(queries, module.keys(states), mask).exp()


def made(kind, state_size=SIZE):
    torch.manual_seed(5)
    return build_attention(kind, SIZE, state_size)


def score_by_definition(kind, module, query, state):
    match kind:
        case "dot":
            return query @ state
        case "general":
            return query @ module.to_keys.weight @ state
        case "additive":
            hidden = module.of_query.weight @ query + module.of_query.bias + module.to_keys.weight @ state
            return module.to_score.weight[0] @ torch.tanh(hidden)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_the_softmax_of_the_papers_score_over_real_positions(kind):
    module, (queries, states, mask) = made(kind), inputs()
    weights = attend(module, queries, states, mask)
    for row, query in ((0, 0), (0, 4), (1, 2)):
        real = states[row][mask[row]]
        scores = torch.stack([score_by_definition(kind, module, queries[row, query], state) for state in real])
        torch.testing.assert_close(weights[row, query, : len(real)], torch.softmax(scores, dim=0))
        assert (weights[row, query, len(real) :] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_add_up_where_products_are_rounded(kind):
    module = made(kind)
    with torch.autocast("cpu", torch.bfloat16):
        weights = attend(module, *inputs())
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(ROWS, QUERIES), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_does_not_see_the_others(kind):
    module, (queries, states, mask) = made(kind), inputs()
    alone = attend(module, queries[:, 2:3], states, mask)
    torch.testing.assert_close(attend(module, queries, states, mask)[:, 2:3], alone)


def test_additive_attention_in_chunks_has_the_same_values_and_gradients(monkeypatch):
    module, (queries, states, mask) = made("additive"), inputs(requires_grad=True)
    weighting = torch.randn(ROWS, QUERIES, POSITIONS, generator=torch.Generator().manual_seed(8))
    results = []
    for elements in (10**9, 2 * ROWS * POSITIONS * SIZE):
        monkeypatch.setattr(attention, "CHUNK_ELEMENTS", elements)
        weights = attend(module, queries, states, mask)
        grads = torch.autograd.grad((weights * weighting).sum(), [queries, states, *module.parameters()])
        results.append([weights, *grads])
    for whole, in_chunks in zip(*results, strict=True):
        torch.testing.assert_close(in_chunks, whole)


def test_additive_attention_never_holds_all_queries_times_positions(monkeypatch):
    """What autograd keeps, and what a chunk makes, stay far below N · S · Q elements."""
    module, num_queries = made("additive"), 64
    queries, states = torch.randn(1, num_queries, SIZE, requires_grad=True), torch.randn(1, 50, SIZE)
    monkeypatch.setattr(attention, "CHUNK_ELEMENTS", 2 * 50 * SIZE)
    largest, kept = [], []
    module.to_score.register_forward_pre_hook(lambda _, args: largest.append(args[0].numel()))
    with torch.autograd.graph.saved_tensors_hooks(lambda kept_one: kept.append(kept_one) or kept_one, lambda one: one):
        scores = module.scores(queries, module.keys(states))
    assert max(largest) == 2 * 50 * SIZE
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() // 4 for one in kept}
    assert sum(storages.values()) < num_queries * 50 * SIZE / 4
    scores.sum().backward()
    assert queries.grad is not None


def test_dot_attention_refuses_sizes_that_differ():
    with pytest.raises(ValueError, match="one size, not 4 and 6"):
        made("dot", state_size=6)
