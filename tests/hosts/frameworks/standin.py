"""Stands for launchers that are not installed: it takes the options that each documents, refuses others with code 9, and
does what they do of it. Installed as the modules that ostler calls (`deepspeed.launcher.launch`, `ray`,
`distributed.cli.dask_worker` and so on), each of which calls one function here.
"""
import argparse
import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time


class Options(argparse.ArgumentParser):
    def error(self, message):
        print(f"{self.prog} {' '.join(sys.argv[1:])}: {message}", file=sys.stderr)
        sys.exit(9)


def options(name):
    return Options(prog=name, allow_abbrev=False)


def deepspeed():
    """One process for each slot of this node, as deepspeed/launcher/launch.py of 0.14 starts them."""
    known = options("deepspeed.launcher.launch")
    known.add_argument("--node_rank", type=int, required=True)
    known.add_argument("--master_addr", required=True)
    known.add_argument("--master_port", type=int, required=True)
    known.add_argument("--world_info", required=True)
    known.add_argument("training_script")
    known.add_argument("rest", nargs=argparse.REMAINDER)
    given = known.parse_args()
    world = list(json.loads(base64.urlsafe_b64decode(given.world_info)).items())
    slots = world[given.node_rank][1]
    first = sum(len(other) for _, other in world[:given.node_rank])
    running = []
    for local, _ in enumerate(slots):
        env = dict(os.environ, MASTER_ADDR=given.master_addr, MASTER_PORT=str(given.master_port),
                   WORLD_SIZE=str(sum(len(other) for _, other in world)), RANK=str(first + local), LOCAL_RANK=str(local),
                   LOCAL_SIZE=str(len(slots)), CROSS_RANK=str(given.node_rank), CROSS_SIZE=str(len(world)))
        command = [sys.executable, "-u", given.training_script, f"--local_rank={local}", *given.rest]
        running.append(subprocess.Popen(command, env=env))
    sys.exit(max(process.wait() for process in running))


def serve(address, own):
    """Counts who joins at HOST:PORT and tells who asks, for good."""
    host, port = address.rsplit(":", 1)
    joined = list(own)
    server = socket.create_server((host, int(port)))

    def answer(connection):
        with connection, connection.makefile("rw") as words:
            word = words.readline().split()
            if word[:1] == ["join"]:
                joined.append(word[1])
            words.write(" ".join(joined) + "\n")
            words.flush()

    while True:
        threading.Thread(target=answer, args=server.accept()[:1], daemon=True).start()


def ask(address, word="who"):
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=5) as connection, connection.makefile("rw") as words:
        words.write(word + "\n")
        words.flush()
        return words.readline().split()


def ray_start():
    """`ray start --block`: the head serves; a worker gives up at once when there is no head."""
    known = options("ray")
    known.add_argument("verb", choices=["start"])
    known.add_argument("--block", action="store_true", required=True)
    known.add_argument("--head", action="store_true")
    known.add_argument("--include-dashboard", choices=["false"])
    known.add_argument("--disable-usage-stats", action="store_true", required=True)
    known.add_argument("--node-ip-address", required=True)
    known.add_argument("--port", type=int)
    known.add_argument("--address")
    known.add_argument("--num-cpus", type=int)
    given = known.parse_args()
    if "RAY_ADDRESS" in os.environ or given.head == bool(given.address) or given.head != bool(given.port):
        known.error(f"head {given.head}, address {given.address}, RAY_ADDRESS {os.environ.get('RAY_ADDRESS')}")
    if given.head:
        serve(f"{given.node_ip_address}:{given.port}", [given.node_ip_address])
    try:
        ask(given.address, f"join {given.node_ip_address}")
    except OSError as e:
        sys.exit(f"no head: {e}")
    print(f"ray worker {given.node_ip_address} with {given.num_cpus} on {socket.gethostname()}", flush=True)
    time.sleep(3600)


def dask_scheduler():
    known = options("dask_scheduler")
    known.add_argument("--host", required=True)
    known.add_argument("--port", type=int, required=True)
    known.add_argument("--no-dashboard", action="store_true")
    known.add_argument("--no-show", action="store_true")
    given = known.parse_args()
    serve(f"{given.host}:{given.port}", [])


def dask_worker():
    """A worker tries until its scheduler is there."""
    known = options("dask_worker")
    known.add_argument("scheduler")
    known.add_argument("--host", required=True)
    known.add_argument("--nworkers", type=int, required=True)
    known.add_argument("--nthreads", type=int, required=True)
    known.add_argument("--no-dashboard", action="store_true")
    known.add_argument("--local-directory", required=True)
    given = known.parse_args()
    if given.scheduler != os.environ.get("DASK_SCHEDULER_ADDRESS") or not given.scheduler.startswith("tcp://"):
        known.error(f"DASK_SCHEDULER_ADDRESS is {os.environ.get('DASK_SCHEDULER_ADDRESS')}")
    if given.local_directory != os.environ["AZ_BATCHAI_JOB_TEMP"] + "/dask":
        known.error("the local directory is not below that of the job")
    for _ in range(given.nworkers):
        while True:
            try:
                ask(given.scheduler[len("tcp://"):], f"join {given.host}")
                break
            except OSError:
                time.sleep(0.2)
    print(f"dask worker {given.host} on {socket.gethostname()}", flush=True)
    time.sleep(3600)
