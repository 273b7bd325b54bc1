"""Real distributed JAX: all processes sum over all devices. The coordinator and the places come from the variables."""
import os
import sys

import jax

jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(
    coordinator_address=os.environ["JAX_COORDINATOR_ADDRESS"],
    num_processes=int(os.environ["JAX_NUM_PROCESSES"]),
    process_id=int(os.environ["JAX_PROCESS_ID"]),
)
from jax.experimental import multihost_utils

index, count = jax.process_index(), jax.process_count()
everyone = multihost_utils.process_allgather(jax.numpy.array([index + 1.0]))
if float(everyone.sum()) != count * (count + 1) / 2:
    sys.exit(9)
print(f"process {index} of {count}: sum {float(everyone.sum()):.0f} over {len(jax.devices())} devices", flush=True)
