"""One rank of the first round fails; whoever launches it starts all ranks again, on every node, and they finish.

Ends with 9 when the second round is not what it should be.
"""
import os
import sys

import torch
import torch.distributed as dist

round_, rank = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), int(os.environ["RANK"])
marker = os.environ["AZ_BATCHAI_JOB_TEMP"] + "/failed-once"
dist.init_process_group("gloo")
mine = torch.ones(1)
dist.all_reduce(mine)
if rank == 1 and not os.path.exists(marker):
    open(marker, "w").close()
    print("rank 1 fails", flush=True)
    sys.exit(7)
if not os.path.exists(marker) and rank == 1:
    sys.exit(9)
# Meets the others again: a rank that was not started again would be missing here.
mine = torch.full((1,), float(rank + 1))
dist.all_reduce(mine)
world = dist.get_world_size()
if mine.item() != world * (world + 1) / 2:
    sys.exit(9)
print(f"rank {rank} of {world} ended in round {round_}", flush=True)
dist.destroy_process_group()
