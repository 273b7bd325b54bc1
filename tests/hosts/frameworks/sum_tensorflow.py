"""Real TensorFlow: the workers of TF_CONFIG sum over their own network; the parameter server is one of TensorFlow's own.

Ends with 9 when a sum is wrong. The servers never end by themselves.
"""
import json
import os
import sys

config = json.loads(os.environ["TF_CONFIG"])
task = config["task"]
if task["type"] == "ps":
    import tensorflow as tf

    spec = tf.train.ClusterSpec(config["cluster"])
    server = tf.distribute.Server(spec, job_name="ps", task_index=task["index"])
    print(f"server {task['index']} is up", flush=True)
    server.join()

# Collectives are among workers alone.
config["cluster"].pop("ps", None)
os.environ["TF_CONFIG"] = json.dumps(config)
import tensorflow as tf  # noqa: E402

strategy = tf.distribute.MultiWorkerMirroredStrategy()
world = strategy.num_replicas_in_sync


@tf.function
def total():
    def one():
        return tf.distribute.get_replica_context().all_reduce("sum", tf.constant(float(task["index"] + 1)))

    return strategy.run(one)


found = float(strategy.experimental_local_results(total())[0])
if found != world * (world + 1) / 2:
    sys.exit(9)
print(f"worker {task['index']} of {world}: sum {found:.0f}", flush=True)
