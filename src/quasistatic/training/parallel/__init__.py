"""Several processes: where the weights are, what the processes exchange, and blocks that are computed twice.

    placement.py    `Replicated` (DDP) and `Sharded` (FSDP2): who holds which weights, who saves, the norm of a gradient
    exchange.py     weights, costs and decisions that all processes share; a process that is lost
    held_out.py     the held-out score, a share of the examples in each process
    blocks.py       the blocks of a network; activations computed again in the backward pass

It may import `training.batch`, `model` and everything below.
"""
