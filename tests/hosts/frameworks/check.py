#!/usr/bin/env python3
"""Checks that a process of a job has everything that its framework promises, and ends with 9 naming what it has not.

    check.py KIND ROLE NODES PROCESSES [ARGUMENT...]

KIND is a toolType; ROLE is master, worker, ps, rank or one; NODES and PROCESSES are those of the job. The arguments have
to be "it's" "$HOME" (two, as a shell makes them of quotes), then the index that the shell expanded for this process, where
its framework has one.
Needs Python alone. A process that is in order writes a line, and a file into the output directory MODEL.
"""
import json
import os
import socket
import subprocess
import sys
import time

WRONG = []
LISTENER = socket.socket()


def wrong(what):
    WRONG.append(what)


def want(name, value=None):
    """The value of a variable, which has to be there, and to be `value` when one is given."""
    has = os.environ.get(name)
    if has is None:
        wrong(f"{name} is not set")
        return ""
    if value is not None and has != str(value):
        wrong(f"{name} is {has!r}, not {str(value)!r}")
    return has


def unwanted(name):
    if name in os.environ:
        wrong(f"{name} is {os.environ[name]!r}, but belongs to other frameworks")


def number(name, most):
    text = want(name)
    if not text.isdigit() or int(text) >= most:
        wrong(f"{name} is {text!r}, not a number below {most}")
        return 0
    return int(text)


def own_addresses():
    text = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout
    return text.split()


def directories():
    for name in ["AZ_BATCHAI_MOUNT_ROOT", "AZ_BATCHAI_JOB_MOUNT_ROOT", "AZ_BATCHAI_JOB_TEMP", "AZ_BATCHAI_JOB_TEMP_DIR",
                 "AZ_BATCHAI_STDOUTERR_DIR", "AZ_BATCHAI_OUTPUT_MODEL", "AZ_BATCHAI_INPUT_DATA"]:
        path = want(name)
        if not path.startswith("/") or not os.path.isdir(path):
            wrong(f"{name}: {path!r} is no directory")
    temp, root = want("AZ_BATCHAI_JOB_TEMP"), want("AZ_BATCHAI_JOB_TEMP_DIR")
    if not temp.startswith(root + "/"):
        wrong(f"AZ_BATCHAI_JOB_TEMP {temp!r} is not below AZ_BATCHAI_JOB_TEMP_DIR {root!r}")
    if os.path.realpath(os.getcwd()) != os.path.realpath(temp):
        wrong(f"runs in {os.getcwd()!r}, not in AZ_BATCHAI_JOB_TEMP")
    output = want("AZ_BATCHAI_OUTPUT_MODEL")
    if not output.endswith("/outputs/best"):
        wrong(f"AZ_BATCHAI_OUTPUT_MODEL: {output!r} does not end with /outputs/best")
    if not os.path.basename(want("AZ_BATCHAI_STDOUTERR_DIR")) == "stdouterr":
        wrong("AZ_BATCHAI_STDOUTERR_DIR does not end with stdouterr")
    try:
        with open(want("AZ_BATCHAI_INPUT_DATA") + "/data.txt") as file:
            if file.read() != "data\n":
                wrong("AZ_BATCHAI_INPUT_DATA/data.txt does not say data")
    except OSError as e:
        wrong(f"AZ_BATCHAI_INPUT_DATA: {e}")


def hosts(nodes):
    """The addresses of the nodes, which the hostfile and the list have to agree on."""
    try:
        with open(want("AZ_BATCHAI_MPI_HOST_FILE")) as file:
            lines = [line.split() for line in file]
    except OSError as e:
        wrong(f"AZ_BATCHAI_MPI_HOST_FILE: {e}")
        return []
    found = [line[0] for line in lines]
    if len(found) != nodes or not all(len(line) == 2 and line[1].startswith("slots=") for line in lines):
        wrong(f"the hostfile has {lines!r}, not {nodes} lines `host slots=n`")
    if nodes > 1:
        want("AZ_BATCH_HOST_LIST", ",".join(found))
    else:
        unwanted("AZ_BATCH_HOST_LIST")
        shared = want("AZ_BATCHAI_SHARED_JOB_TEMP")
        if not os.path.isdir(shared):
            wrong(f"AZ_BATCHAI_SHARED_JOB_TEMP: {shared!r} is no directory")
    if found:
        want("MASTER_ADDR", found[0])
        want("AZ_BATCHAI_JOB_MASTER_NODE_IP", found[0])
    if not want("MASTER_PORT").isdigit():
        wrong("MASTER_PORT is no number")
    if not set(found) & set(own_addresses()):
        wrong(f"this host is {own_addresses()}, which is none of {found}")
    return found


def place(nodes, processes):
    """The variables by which processes of today know their place."""
    rank = number("RANK", processes)
    want("WORLD_SIZE", processes)
    want("AZ_BATCHAI_TASK_INDEX", rank)
    each = [processes // nodes + (1 if node < processes % nodes else 0) for node in range(nodes)]
    node = next(n for n in range(nodes) if rank < sum(each[:n + 1]))
    want("LOCAL_WORLD_SIZE", each[node])
    want("LOCAL_RANK", rank - sum(each[:node]))
    return rank, node


def tensorflow(role, nodes, processes, addresses):
    want("KERAS_BACKEND", "tensorflow")
    ports = {address: 2222 for address in addresses}

    def take(address):
        ports[address] += 1
        return f"{address}:{ports[address] - 1}"

    servers = [take(addresses[i]) for i in range(processes - nodes)] if nodes > 1 else []
    workers = [take(addresses[i % nodes]) for i in range(nodes)]
    want("AZ_BATCHAI_PS_HOSTS", ",".join(servers))
    want("AZ_BATCHAI_WORKER_HOSTS", ",".join(workers))
    index = number("AZ_BATCHAI_TASK_INDEX", max(len(servers), 1) if role == "ps" else nodes)
    if (role == "master") != (role != "ps" and index == 0):
        wrong(f"task {index} has the arguments of the {role}")
    if nodes == 1:
        unwanted("TF_CONFIG")
    else:
        config = json.loads(want("TF_CONFIG") or "null")
        expected = {"cluster": {"ps": servers, "worker": workers},
                    "task": {"type": "ps" if role == "ps" else "worker", "index": index}, "environment": "cloud"}
        if config != expected:
            wrong(f"TF_CONFIG is {config}, not {expected}")
    mine = (servers if role == "ps" else workers)[index]
    host, port = mine.rsplit(":", 1)
    if host not in own_addresses():
        wrong(f"task {index} is to be at {mine}, but this is {own_addresses()}")
    LISTENER.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        LISTENER.bind((host, int(port)))  # what it was promised is free, and its own
    except OSError as e:
        wrong(f"cannot listen at {mine}: {e}")
    if role != "ps":
        # A worker needs its servers, and servers are stopped when the workers end.
        for server in servers:
            reach(server)
    return f"{'ps' if role == 'ps' else 'wk'}-{index}", index


def reach(server):
    """Waits until a server that is in order listens."""
    host, port = server.rsplit(":", 1)
    until = time.time() + 120
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except OSError as e:
            if time.time() > until:
                wrong(f"no server at {server}: {e}")
                return
            time.sleep(0.05)


def launched(nodes, processes):
    """What DeepSpeed's launcher makes of its options; the index is that of its node."""
    rank, each = number("RANK", processes), processes // nodes
    node = rank // each
    want("WORLD_SIZE", processes)
    want("LOCAL_RANK", rank % each)
    want("LOCAL_SIZE", each)
    want("NODE_RANK", node)
    want("CROSS_RANK", node)
    want("CROSS_SIZE", nodes)
    return rank, node


def members(kind, nodes, processes, addresses):
    """Of a cluster that lives as long as the job: all nodes have joined before the command runs, or come soon."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import standin
    address = f"{addresses[0]}:{os.environ.get('MASTER_PORT')}"
    if kind == "ray":
        want("RAY_ADDRESS", address)
    else:
        want("DASK_SCHEDULER_ADDRESS", f"tcp://{address}")
    expected = sorted(addresses * (processes // nodes))
    until, found = time.time() + (1 if kind == "ray" else 120), []
    while found != expected and time.time() < until:
        try:
            found = sorted(standin.ask(address))
        except OSError as e:
            found = [str(e)]
        time.sleep(0.1)
    if found != expected:
        wrong(f"the cluster at {address} is of {found}, not of {expected}")
    if addresses[0] not in own_addresses():
        wrong(f"the command runs on the first node {addresses[0]}, but this is {own_addresses()}")


def check(kind, role, nodes, processes, arguments):
    directories()
    want("GREETING", "hello it's " + want("AZ_BATCHAI_JOB_TEMP"))
    want("AZ_BATCHAI_NUM_GPUS", os.environ.get("EXPECT_GPUS", "0"))
    want("FROM_BASHRC", "seen")
    addresses = hosts(nodes)
    if not addresses:
        return "", None
    if kind == "tensorflow":
        label, index = tensorflow(role, nodes, processes, addresses)
    elif kind == "custom":
        index = number("AZ_BATCHAI_TASK_INDEX", 1)
        unwanted("RANK")
        if addresses[0] not in own_addresses():
            wrong(f"a custom job runs on the first node {addresses[0]}, but this is {own_addresses()}")
        label = "one"
    elif kind in ("ray", "dask"):
        members(kind, nodes, processes, addresses)
        index, label = None, "one"
    elif kind == "deepspeed":
        rank, node = launched(nodes, processes)
        label, index = str(rank), None
        if addresses[node] not in own_addresses():
            wrong(f"rank {rank} belongs on {addresses[node]}, but this is {own_addresses()}")
    else:
        index, node = place(nodes, processes)
        label = str(index)
        if addresses[node] not in own_addresses():
            wrong(f"rank {index} belongs on {addresses[node]}, but this is {own_addresses()}")
    if kind in ("mpi", "horovod", "chainer") or (kind in ("cntk", "caffe") and processes > 1):
        want("OMPI_COMM_WORLD_RANK", index)
        want("OMPI_COMM_WORLD_SIZE", processes)
        want("OMPI_COMM_WORLD_LOCAL_RANK")
    if kind == "cntk":
        want("KERAS_BACKEND", "cntk")
    if kind == "pytorch":
        backend, method = want("AZ_BATCHAI_PYTORCH_BACKEND"), want("AZ_BATCHAI_PYTORCH_INIT_METHOD")
        url = f"tcp://{addresses[0]}:{os.environ.get('MASTER_PORT')}"
        expected = "env://" if backend == "mpi" else url
        if nodes == 1 and backend == "gloo":
            expected = "file://" + want("AZ_BATCHAI_SHARED_JOB_TEMP") + "/"
        if backend not in ("gloo", "tcp", "mpi") or not method.startswith(expected):
            wrong(f"{backend} with AZ_BATCHAI_PYTORCH_INIT_METHOD {method!r}, not {expected!r}")
    if kind == "jax":
        want("JAX_COORDINATOR_ADDRESS", f"{addresses[0]}:{os.environ.get('MASTER_PORT')}")
        want("JAX_NUM_PROCESSES", processes)
        want("JAX_PROCESS_ID", index)
    expected = ["it's", os.environ.get("HOME", "")] + ([] if index is None else [str(index)])
    if arguments != expected:
        wrong(f"the arguments are {arguments}, not {expected}")
    return label, index


def main():
    if sys.argv[1].startswith("--local_rank="):  # DeepSpeed's launcher puts it there
        want("LOCAL_RANK", sys.argv.pop(1).split("=")[1])
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    kind, role, nodes, processes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    label, index = check(kind, role, nodes, processes, sys.argv[5:])
    if WRONG:
        print(f"{kind} {role} on {socket.gethostname()}:", *WRONG, sep="\n  ", file=sys.stderr)
        sys.exit(9)
    with open(os.environ["AZ_BATCHAI_OUTPUT_MODEL"] + f"/{kind}-{label}.txt", "w") as file:
        file.write(f"{kind} {label} of {processes}\n")
    print(f"{kind} {role} {label if index is None else index} of {processes} is in order on {socket.gethostname()}", flush=True)
    if role == "ps":
        LISTENER.listen()
    while role == "ps":  # servers never end by themselves
        time.sleep(3600)


main()
