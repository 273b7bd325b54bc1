"""Real distributed training with Hugging Face Accelerate: a line is fitted on data that Accelerate parts among the ranks.

Ends with 9 when the ranks do not agree or nothing was learnt.
"""
import sys

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

accelerator = Accelerator(cpu=True)
torch.manual_seed(1)
x = torch.rand(256, 1)
data = DataLoader(TensorDataset(x, 3 * x + 1), batch_size=32)
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
model, optimizer, data = accelerator.prepare(model, optimizer, data)
for _ in range(60):
    for inputs, wanted in data:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(inputs), wanted)
        accelerator.backward(loss)
        optimizer.step()
mine = torch.cat([p.detach().flatten() for p in model.parameters()])
everyone = accelerator.gather(mine).reshape(accelerator.num_processes, -1)
if loss.item() > 1e-2 or not all(torch.allclose(mine, other) for other in everyone):
    sys.exit(9)
rank, world = accelerator.process_index, accelerator.num_processes
print(f"rank {rank} of {world}: slope {mine[0]:.1f}", flush=True)
