"""What ranks do alone: shares, and the variables and errors that are not torch's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mnist_edge import TrainingError, UsageError
from mnist_edge_trainer.training.ranks import ALONE, LostRankError, Ranks, joined, launched

CPU = torch.device("cpu")


@given(st.integers(1, 300), st.integers(1, 9))
def test_shares_are_the_batch_and_differ_by_one_at_most(size: int, count: int) -> None:
    batch = torch.arange(size)
    shares = [Ranks(number, count).share(batch) for number in range(count)]
    assert torch.equal(torch.cat(shares), batch)
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_one_process_does_everything_itself() -> None:
    network = torch.nn.Linear(2, 2)
    assert ALONE.is_first
    assert ALONE.wrapped(network) is network
    assert ALONE.from_first(lambda: 3) == ALONE.everywhere(lambda: 3) == 3
    values = [torch.tensor([1.0, 2.0])]
    ALONE.average(values)
    assert values[0].tolist() == [1.0, 2.0]
    with ALONE.first_here(), joined(CPU) as (ranks, device):
        assert (ranks, device) == (ALONE, CPU)
    with pytest.raises(RuntimeError, match="Connection closed"), ALONE.lost_ranks_in_words():
        raise RuntimeError("Connection closed by peer")


def test_lost_rank_is_told_from_other_errors() -> None:
    ranks = Ranks(1, 2)
    said = "rank 1 of 2: another rank has ended"
    with pytest.raises(LostRankError, match=said), ranks.lost_ranks_in_words():
        raise RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer")
    with pytest.raises(RuntimeError, match="shapes"), ranks.lost_ranks_in_words():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert issubclass(LostRankError, TrainingError)


@pytest.mark.parametrize(("rank", "count"), [("2", "2"), ("-1", "2"), ("x", "2"), ("0", "0")])
def test_ranks_that_cannot_be_are_refused(
    monkeypatch: pytest.MonkeyPatch, rank: str, count: str
) -> None:
    assert not launched()
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", count)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    assert launched()
    said = f"RANK {rank}, WORLD_SIZE {count}: no such rank"
    with pytest.raises(UsageError, match=said), joined(CPU):
        pass
