"""Every rank adds its number to the sum of all; a rank that gets another sum ends with 9. Under any mpirun that mpi4py knows."""
import socket
import sys

from mpi4py import MPI

comm = MPI.COMM_WORLD
rank, size = comm.Get_rank(), comm.Get_size()
total = comm.allreduce(rank + 1)
hosts = sorted(set(comm.allgather(socket.gethostname())))
big = comm.allreduce([float(rank)] * 100000)  # enough to go over the wire in pieces
if total != size * (size + 1) // 2 or len(big) != 100000 * size:
    sys.exit(9)
print(f"rank {rank} of {size} on {socket.gethostname()}: sum {total} over {len(hosts)} hosts", flush=True)
