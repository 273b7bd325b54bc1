//! What is read of the answers, and what is asked, in the words of each version.

use serde_json::json;

use super::read::{Outside, comment, comments, end, nodes_and_partitions, queue, version};
use super::*;
use crate::slurm::parse::{Heard, read};

/// As the service of 22.05 answers, cut to what is read here and a little more.
fn of_22_05() -> Value {
    json!({"meta": {"Slurm": {"release": "22.05.8"}}, "errors": [], "jobs": [
        {"job_id": 7, "array_job_id": 7, "array_task_id": null, "array_task_string": "1-2%1", "job_state": "PENDING",
         "state_reason": "JobArrayTaskLimit", "user_name": "ci", "partition": "all", "account": "", "qos": "", "node_count": 1, "cpus": 1,
         "memory_per_node": null, "memory_per_cpu": null, "tres_per_node": "", "time_limit": 10, "start_time": 0, "end_time": 0,
         "submit_time": 1000, "priority": 42, "nodes": "", "name": "a b", "comment": "ostler-x-a1.2.3", "exit_code": 0},
        {"job_id": 8, "array_job_id": 7, "array_task_id": 0, "array_task_string": "", "job_state": "RUNNING", "state_reason": "None",
         "user_name": "ci", "partition": "all", "node_count": 1, "cpus": 2, "memory_per_node": 100, "time_limit": 1500,
         "start_time": 900, "end_time": 90000, "submit_time": 800, "priority": 1, "nodes": "h2", "name": "a b",
         "comment": "ostler-x-a1.2.3", "tres_per_node": "gres:gpu:2"},
        {"job_id": 9, "array_job_id": 0, "job_state": "FAILED", "state_reason": "NonZeroExitCode", "user_name": "root", "partition": "all",
         "node_count": 2, "cpus": 4, "memory_per_cpu": 5, "time_limit": null, "start_time": 100, "end_time": 4000, "submit_time": 90,
         "priority": 0, "nodes": "h[2-3]", "name": "other", "comment": "", "exit_code": 768},
    ]})
}

/// The same in the words of 24.05: numbers are objects, states are lists.
fn of_24_05() -> Value {
    let set = |number: i64| json!({"set": true, "infinite": false, "number": number});
    let none = json!({"set": false, "infinite": false, "number": 0});
    json!({"meta": {"slurm": {"release": "24.05.1"}}, "errors": [], "jobs": [
        {"job_id": 7, "array_job_id": set(7), "array_task_id": none, "array_task_string": "1-2%1", "job_state": ["PENDING"],
         "state_reason": "JobArrayTaskLimit", "user_name": "ci", "partition": "all", "node_count": set(1), "cpus": set(1),
         "memory_per_node": none, "memory_per_cpu": none, "time_limit": set(10), "start_time": none, "end_time": none,
         "submit_time": set(1000), "priority": set(42), "nodes": "", "name": "a b", "comment": "ostler-x-a1.2.3"},
        {"job_id": 8, "array_job_id": set(7), "array_task_id": set(0), "array_task_string": "", "job_state": ["RUNNING"],
         "state_reason": "None", "user_name": "ci", "partition": "all", "node_count": set(1), "cpus": set(2), "memory_per_node": set(100),
         "time_limit": set(1500), "start_time": set(900), "end_time": set(90000), "submit_time": set(800), "priority": set(1),
         "nodes": "h2", "name": "a b", "comment": "ostler-x-a1.2.3", "tres_per_node": "gres:gpu:2"},
        {"job_id": 9, "array_job_id": set(0), "job_state": ["FAILED"], "state_reason": "NonZeroExitCode", "user_name": "root",
         "partition": "all", "node_count": set(2), "cpus": set(4), "memory_per_cpu": set(5),
         "time_limit": {"set": false, "infinite": true, "number": 0}, "start_time": set(100), "end_time": set(4000),
         "submit_time": set(90), "priority": set(0), "nodes": "h[2-3]", "name": "other", "comment": "",
         "exit_code": {"status": ["ERROR"], "return_code": set(3), "signal": {"id": none, "name": ""}}},
    ]})
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

#[test]
fn a_queue_is_the_same_in_the_words_of_each_version() {
    let heard = |value: &Value| read(&queue(&bytes(value), None, 1000).unwrap());
    let (old, new) = (heard(&of_22_05()), heard(&of_24_05()));
    assert_eq!(old, new);
    assert_eq!(old.notes, Vec::<String>::new());
    let line = |at: usize| {
        let job = &old.queue[at].job;
        [&job.id, &job.state, &job.user, &job.memory, &job.gres, &job.limit, &job.used, &job.on, &job.name, &job.why]
            .map(String::as_str)
    };
    assert_eq!(line(0)[..8], ["7_[1-2%1]", "PENDING", "ci", "0", "", "10:00", "0:00", ""]);
    assert_eq!(line(1), ["7_0", "RUNNING", "ci", "100M", "gres:gpu:2", "1-01:00:00", "1:40", "h2", "a b", ""]);
    assert_eq!(line(2)[..8], ["9", "FAILED", "root", "5Mc", "", "UNLIMITED", "15:00", "h[2-3]"]);
    assert_eq!((old.queue[0].comment.as_str(), old.queue[0].job.priority), ("ostler-x-a1.2.3", 42));
    let mine = read(&queue(&bytes(&of_22_05()), Some("ci"), 1000).unwrap());
    assert_eq!(mine.queue.len(), 2);
}

#[test]
fn what_is_looked_for_before_a_second_try_is_found_or_nothing_is_said() {
    for value in [of_22_05(), of_24_05()] {
        assert_eq!(comments(&bytes(&value), "ci").unwrap(), ["7 ostler-x-a1.2.3"]);
        assert_eq!(comment(&bytes(&json!({"jobs": [value["jobs"][1]]}))).as_deref(), Some("ostler-x-a1.2.3"));
        // A stranger's job by the number of one of ours says nothing of ours.
        assert_eq!(end(&bytes(&json!({"jobs": [value["jobs"][2]]}))), None);
        let mut ours = value["jobs"][2].clone();
        ours["comment"] = "ostler-x-1.1.m0".into();
        assert_eq!(end(&bytes(&json!({"jobs": [ours]}))), Some(("FAILED".to_owned(), "3:0".to_owned())));
    }
    // As the database has it.
    let kept = json!({"jobs": [{"job_id": 9, "state": {"current": ["TIMEOUT"], "reason": "None"}, "comment": {"job": "ostler-x-1.1.m0"},
        "exit_code": {"status": ["SIGNALED"], "return_code": {"set": true, "number": 0}, "signal": {"signal_id": 15, "name": "TERM"}}}]});
    assert_eq!(end(&bytes(&kept)), Some(("TIMEOUT".to_owned(), "0:15".to_owned())));
    // One that cannot be read may be the one.
    let odd = json!({"jobs": [{"job_id": "x"}]});
    assert!(comments(&bytes(&odd), "ci").is_err());
}

#[test]
fn what_is_not_understood_is_said_and_never_an_empty_list() {
    for odd in ["", "[]", "{}", "{\"jobs\": {}}", "<html>", "{\"errors\": []}"] {
        assert!(queue(odd.as_bytes(), None, 0).is_err(), "{odd}");
        assert!(comments(odd.as_bytes(), "ci").is_err(), "{odd}");
        assert!(nodes_and_partitions(odd.as_bytes(), odd.as_bytes()).is_err(), "{odd}");
    }
    let heard =
        read(&queue(&bytes(&json!({"jobs": [{"job_id": 1}, {"job_id": 2, "job_state": "NEWEST"}]})), None, 0).unwrap());
    assert_eq!(heard.queue.len(), 1);
    assert!(heard.notes.iter().any(|note| note.contains("job_state")), "{:?}", heard.notes);
    assert!(heard.notes.iter().any(|note| note.contains("NEWEST")), "{:?}", heard.notes);
}

#[test]
fn nodes_have_the_words_of_sinfo() {
    let nodes = json!({"nodes": [
        {"name": "h1", "state": "mixed", "state_flags": [], "cpus": 4, "alloc_cpus": 3, "real_memory": 1000, "gres": "gpu:2",
         "partitions": ["all", "short"], "reason": ""},
        {"name": "h2", "state": ["IDLE", "DRAIN"], "cpus": 4, "alloc_cpus": 0, "partitions": ["all"], "reason": "a\nfan", "reason_set_by_user": "root"},
        {"name": "h3", "state": ["DOWN", "NOT_RESPONDING"], "cpus": 4, "alloc_cpus": 0, "partitions": "all"},
        {"name": "h4", "state": "allocated", "state_flags": ["DRAIN"], "cpus": 4, "alloc_cpus": 4, "partitions": ["all"]},
        {"name": "h5", "state": ["IDLE", "POWERED_DOWN"], "cpus": 4, "alloc_cpus": 0, "partitions": ["all"]},
    ]});
    let partitions = json!({"partitions": [
        {"name": "all", "state": "UP", "flags": ["default"], "max_time_limit": 60},
        {"name": "short", "partition": {"state": ["DOWN"]}, "maximums": {"time": {"set": true, "infinite": false, "number": 2880}}},
    ]});
    let heard: Heard = read(&nodes_and_partitions(&bytes(&nodes), &bytes(&partitions)).unwrap());
    assert_eq!(heard.notes, Vec::<String>::new());
    let states: Vec<&str> = heard.nodes.iter().map(|node| node.state.as_str()).collect();
    assert_eq!(states, ["mixed", "drained", "down*", "draining", "idle~"]);
    assert_eq!(heard.nodes[0].cpus, [3, 1, 0, 4]);
    assert_eq!((heard.nodes[1].reason.as_str(), heard.nodes[1].reason_by.as_str()), ("a fan", "root"));
    assert_eq!(heard.nodes[0].partitions, ["all", "short"]);
    let [all, short] = &heard.partitions[..] else { panic!("{:?}", heard.partitions) };
    assert_eq!((all.default, all.state.as_str(), all.time_limit.as_str(), all.nodes), (true, "up", "1:00:00", [2, 0, 3, 5]));
    assert_eq!(
        (short.default, short.state.as_str(), short.time_limit.as_str(), short.cpus),
        (false, "down", "2-00:00:00", [3, 1, 0, 4])
    );
}

#[test]
fn what_went_wrong_is_told_from_what_is_only_said() {
    let outside = |value: Value| Outside::read(&bytes(&value)).unwrap();
    // A job that is held has a number beside an error; an update that was done has an error without a number.
    let held = outside(json!({"errors": [{"error_code": 2042, "error": "Job is in held state"}], "job_id": 4}));
    assert_eq!(held.submitted(), Some(4));
    let done = outside(json!({"errors": [{"description": "job array update from [lab]:1 failed", "source": "x"}]}));
    assert_eq!((done.wrong(), done.submitted()), (None, None));
    let denied =
        outside(json!({"errors": [{"description": "job update failed", "error_number": 2002, "error": "Access denied"}]}));
    assert_eq!(denied.wrong().unwrap(), "Access denied: job update failed");
    assert_eq!(outside(json!({"result": {"job_id": 9}, "errors": []})).submitted(), Some(9));
    let odd = outside(json!({"errors": [{"error_code": 9001, "error": "Failure during parsing"}]}));
    assert!(odd.wrong().unwrap().contains("does not say which"), "{odd:?}");
}

#[test]
fn the_newest_version_is_asked() {
    let paths = json!({"paths": {"/slurm/v0.0.39/jobs": {}, "/slurm/v0.0.41/jobs/": {}, "/slurm/v0.0.40/jobs": {}, "/slurmdb/v0.0.42/jobs": {}}});
    assert_eq!(version(&bytes(&paths)), Some(41));
    assert_eq!(version(b"{}"), None);
}

#[test]
fn a_service_is_where_its_address_says() {
    let there = |host: &str, port| Place::There(Far::Port(host.to_owned(), port));
    assert_eq!(place("https://rest.site/"), Place::Here("https://rest.site".to_owned()));
    assert_eq!(place("http://ctl"), there("ctl", 6820));
    assert_eq!(place("http://[::1]:80/"), there("::1", 80));
    assert_eq!(place("unix:/run/r.sock"), Place::There(Far::Socket("/run/r.sock".to_owned())));
}

/// What a person asks for, by version.
#[test]
fn what_the_service_cannot_do_is_left_to_the_programs() {
    let door = |version| Door {
        client: client(CALL_LIMIT, None, Some("/nowhere".into())).unwrap(),
        base: "http://slurm".into(),
        version,
        release: String::new(),
        user: "ci".into(),
        token: None,
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (old, new) = (door(38), door(41));
    assert_eq!(old.update("JobId=7", &["Nice=5"]).unwrap(), ("/slurm/v0.0.38/job/7".to_owned(), json!({"nice": "5"})));
    let set = json!({"time_limit": {"set": true, "infinite": false, "number": 30}});
    assert_eq!(new.update("JobId=7_1", &["TimeLimit=30"]).unwrap(), ("/slurm/v0.0.41/job/7_1".to_owned(), set));
    assert_eq!(old.update("NodeName=h1", &["State=RESUME"]), None);
    let drain = json!({"state": ["DRAIN"], "reason": "a fan"});
    assert_eq!(
        new.update("NodeName=h1", &["State=drain", "Reason=a fan"]).unwrap(),
        ("/slurm/v0.0.41/node/h1".to_owned(), drain)
    );
    assert_eq!(new.update("JobId=7", &["Partition=x"]), None);
}
