"""Real distributed training with Chainer: ChainerMN averages the gradients of all ranks. Ends with 9 when they differ."""
import sys

import chainer
import chainermn
import numpy as np

comm = chainermn.create_communicator("naive")
print(f"Num process (COMM_WORLD): {comm.size}", flush=True)
np.random.seed(comm.rank)
x = np.random.rand(64, 1).astype(np.float32)
y = 3 * x + 1
model = chainer.links.Linear(1, 1)
optimizer = chainermn.create_multi_node_optimizer(chainer.optimizers.SGD(lr=0.5), comm).setup(model)
for _ in range(200):
    model.cleargrads()
    loss = chainer.functions.mean_squared_error(model(x), y)
    loss.backward()
    optimizer.update()
weights = comm.mpi_comm.allgather((float(model.W.array[0][0]), float(model.b.array[0])))
if float(loss.array) > 1e-3 or len({(round(w, 4), round(b, 4)) for w, b in weights}) != 1:
    sys.exit(9)
print(f"rank {comm.rank} of {comm.size}: slope {weights[0][0]:.2f}", flush=True)
