"""Real distributed training with Horovod: a line is fitted by its optimizer for PyTorch, each rank on data of its own.

Ends with 9 when the ranks do not agree or nothing was learnt.
"""
import sys

import horovod.torch as hvd
import torch

hvd.init()
rank, world = hvd.rank(), hvd.size()
torch.manual_seed(rank)  # other data on every rank, so that only averaged gradients agree
x = torch.rand(256, 1)
y = 3 * x + 1
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
optimizer = hvd.DistributedOptimizer(optimizer, named_parameters=model.named_parameters())
hvd.broadcast_parameters(model.state_dict(), root_rank=0)
for _ in range(200):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
mine = torch.cat([p.detach().flatten() for p in model.parameters()])
everyone = hvd.allgather(mine.reshape(1, -1))
if loss.item() > 1e-3 or not all(torch.allclose(mine, other) for other in everyone):
    sys.exit(9)
print(f"rank {rank} of {world} (local {hvd.local_rank()} of {hvd.local_size()}): slope {mine[0]:.1f}", flush=True)
