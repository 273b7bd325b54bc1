"""Real distributed training with PyTorch: a line is fitted by DistributedDataParallel, each rank on data of its own.

With the arguments of the published recipe (--dist-url, --rank, --world-size) as pyTorchSettings gives them, or without, as
every launcher of today expects. Ends with 9 when the ranks do not agree or nothing was learnt.
"""
import argparse
import os
import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--dist-backend", default="gloo")
parser.add_argument("--dist-url", default="env://")
parser.add_argument("--rank", type=int, default=-1)
parser.add_argument("--world-size", type=int, default=-1)
args = parser.parse_args()

dist.init_process_group(args.dist_backend, init_method=args.dist_url, rank=args.rank, world_size=args.world_size)
rank, world = dist.get_rank(), dist.get_world_size()
torch.manual_seed(rank)  # other data on every rank, so that only averaged gradients agree
x = torch.rand(256, 1)
y = 3 * x + 1
model = DistributedDataParallel(torch.nn.Linear(1, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for _ in range(200):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
mine = torch.cat([p.detach().flatten() for p in model.parameters()])
all_of_them = [torch.empty_like(mine) for _ in range(world)]
dist.all_gather(all_of_them, mine)
if loss.item() > 1e-3 or not all(torch.allclose(mine, other) for other in all_of_them):
    sys.exit(9)
if rank == 0:
    torch.save(model.module.state_dict(), os.environ["AZ_BATCHAI_OUTPUT_MODEL"] + "/model.pt")
print(f"rank {rank} of {world}: slope {mine[0]:.2f} offset {mine[1]:.2f}", flush=True)
dist.destroy_process_group()
