"""A real Ray cluster: a task on every node says where it ran."""
import socket
import sys
import time

import ray

ray.init(logging_level="ERROR")


@ray.remote(num_cpus=1)
def where():
    time.sleep(0.5)
    return socket.gethostname()


nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
hosts = ray.get([where.options(scheduling_strategy=strategy(node, soft=False)).remote() for node in nodes])
if len(set(hosts)) != int(sys.argv[1]):
    sys.exit(f"{hosts} are not {sys.argv[1]} hosts")
print("ray ran on", *sorted(hosts), flush=True)
