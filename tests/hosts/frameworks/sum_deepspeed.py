"""A sum over all ranks of DeepSpeed's launcher, by its own communication over gloo: there is no GPU.

Ends with 9 when the sum is wrong.
"""
import os
import sys

import deepspeed
import deepspeed.comm as dist
import torch

deepspeed.init_distributed(dist_backend="gloo", verbose=False)
rank, world = dist.get_rank(), dist.get_world_size()
total = torch.tensor([float(rank + 1)])
dist.all_reduce(total)
if total.item() != world * (world + 1) / 2:
    sys.exit(9)
print(f"rank {rank} of {world}: local {os.environ['LOCAL_RANK']} sum {total.item():.0f}", flush=True)
