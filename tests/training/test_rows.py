"""Which rows of a large training set each step takes."""

import torch

from quasistatic.training.batch import TABLE, batch_rows


def test_rows_of_a_large_set_come_once_an_epoch_in_an_order_of_their_own() -> None:
    count, batch = TABLE + 3, 2**12
    seen = torch.cat([batch_rows(count, 3, step, batch) for step in range(2 * count // batch + 1)])
    first, second = seen[:count], seen[count : 2 * count]
    assert torch.equal(first.sort().values, torch.arange(count))
    assert torch.equal(second.sort().values, torch.arange(count))
    assert not torch.equal(first, second)
