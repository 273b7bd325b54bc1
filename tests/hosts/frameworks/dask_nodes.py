"""A real Dask cluster: all workers say where they are."""
import socket
import sys

from distributed import Client

with Client() as client:
    client.wait_for_workers(int(sys.argv[1]), timeout=120)
    hosts = sorted(client.run(socket.gethostname).values())
    total = sum(client.gather(client.map(lambda x: x * x, range(100))))
if len(set(hosts)) != int(sys.argv[1]) or total != 328350:
    sys.exit(f"{hosts}, {total}")
print("dask ran on", *hosts, flush=True)
