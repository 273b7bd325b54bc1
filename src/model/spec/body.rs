//! Writes the published bodies: what was asked for as a file would say it, for `show`, `export`, `--dry-run` and the text of
//! a form. What is written reads back as the same job or cluster. Names of secrets are written, values never.

use serde_json::{Map, Value, json};

use super::secret::sources_of_job;
use super::{
    AutoScale, ClusterSpec, Demand, FileServerSpec, JobSpec, MountVolumes, PoolSpec, Priority, ProviderSpec, Resources,
    ScaleSettings, Secret, SecretSource,
};
use crate::model::units::Millis;

/// Returns the body of a job.
pub fn job(spec: &JobSpec) -> Map<String, Value> {
    // The stored form has the published names already; spans are numbers there, and values have no business here.
    let mut map = match serde_json::to_value(without_values(spec)) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => Map::new(),
    };
    for key in ["demand", "kept"] {
        map.remove(key);
    }
    if let Some(cluster) = &spec.cluster {
        map.insert("cluster".to_owned(), json!({"id": cluster}));
    }
    publish_sources(spec, &mut map);
    map.insert("schedulingPriority".to_owned(), json!(priority_word(spec.scheduling_priority)));
    map.insert("constraints".to_owned(), json!({"maxWallClockTime": iso_span(spec.constraints.max_wall_clock_time)}));
    if let Demand::Part(part) = &spec.demand {
        map.insert("resources".to_owned(), resources(part));
    }
    spec.kept.put_into(&mut map);
    map
}

/// Returns what was asked for, as a file would say it, and the published `mountSettings`.
pub fn file_server(spec: &FileServerSpec) -> Map<String, Value> {
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| drop(map.insert(key.to_owned(), value));
    set("export", json!(spec.export.word()));
    if let Some(host) = spec.export.host() {
        set("host", json!(host));
    }
    set("path", json!(spec.export.path()));
    if let Some(managed) = &spec.managed {
        set("setUp", json!(true));
        if let Some(login) = &managed.login {
            set("login", json!(login));
        }
        set("clients", json!(managed.clients));
        if !managed.devices.is_empty() {
            set("devices", json!(managed.devices));
        }
    }
    set(
        "mountSettings",
        json!({
            "mountPoint": spec.export.path(),
            "fileServerPublicIP": spec.public(),
            "fileServerInternalIP": spec.internal(),
        }),
    );
    let labels = [("mountOptions", &spec.mount_options), ("publicAddress", &spec.public_address), ("vmSize", &spec.vm_size)];
    for (key, value) in labels {
        if let Some(value) = value {
            set(key, json!(value));
        }
    }
    if let Some(disks) = &spec.data_disks {
        set("dataDisks", json!(disks));
    }
    if spec.admin.is_some() || !spec.public_ips_to_allow.is_empty() {
        let mut ssh = Map::new();
        if let Some(admin) = &spec.admin {
            ssh.insert("userAccountSettings".to_owned(), json!(admin));
        }
        if !spec.public_ips_to_allow.is_empty() {
            ssh.insert("publicIPsToAllow".to_owned(), json!(spec.public_ips_to_allow));
        }
        set("sshConfiguration", Value::Object(ssh));
    }
    spec.kept.put_into(&mut map);
    map
}

/// Returns what a job asks of each node: whole numbers as such.
pub fn resources(part: &Resources) -> Value {
    let count = |milli: u64| if milli.is_multiple_of(1000) { json!(milli / 1000) } else { json!(milli as f64 / 1000.0) };
    let mut map = Map::new();
    map.insert("cpus".to_owned(), count(part.cpus_milli));
    map.insert("memory".to_owned(), json!(part.memory.0));
    map.insert("gpus".to_owned(), count(part.gpus_milli));
    map.extend(part.other.iter().map(|(name, count)| (name.clone(), json!(count))));
    Value::Object(map)
}

/// Returns the body of a cluster.
pub fn cluster(spec: &ClusterSpec) -> Map<String, Value> {
    let mut map = match serde_json::to_value(spec) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => Map::new(),
    };
    for key in ["provider", "pool", "kept", "slurm"] {
        map.remove(key);
    }
    map.extend(nodes(spec));
    if let ScaleSettings::AutoScale(auto) = &spec.scale_settings {
        // How many there are to be now is the core's matter, and an idle time is written as a span.
        let bounds = json!({
            "minimumNodeCount": auto.minimum_node_count,
            "maximumNodeCount": auto.maximum_node_count,
            "initialNodeCount": auto.initial_node_count,
            "idleTime": iso_span(auto.idle),
        });
        let bounds = with_gpu_idle(bounds, auto);
        map.insert("scaleSettings".to_owned(), json!({"autoScale": bounds}));
    }
    if let Some(setup) = &spec.node_setup
        && let Some(shown) = map.get_mut("nodeSetup").and_then(Value::as_object_mut)
    {
        publish_mounts(&setup.mount_volumes, shown);
        if let (Some(task), Some(shown)) = (&setup.setup_task, shown.get_mut("setupTask").and_then(Value::as_object_mut))
            && !task.secrets.is_empty()
        {
            shown.insert("secrets".to_owned(), task.secrets.iter().map(Secret::shown).collect());
        }
    }
    spec.kept.put_into(&mut map);
    map
}

/// Returns where a token comes from, never the token.
fn from(token: &SecretSource) -> Value {
    let mut from = token.shown("value", "valueSecretReference");
    from.remove("value");
    Value::Object(from)
}

/// Returns where a cluster's nodes come from and what ostler adds about them, as a file would say it.
pub fn nodes(spec: &ClusterSpec) -> Map<String, Value> {
    let mut map = Map::new();
    if let Some(slurm) = &spec.slurm {
        map.insert("backend".to_owned(), json!("slurm"));
        map.insert("login".to_owned(), json!(spec.provider.hosts().and_then(|hosts| hosts.first())));
        if **slurm != super::SlurmSpec::default() {
            map.insert("slurm".to_owned(), json!(slurm));
        }
        if let Some(rest) = &spec.rest {
            let mut shown = Map::new();
            shown.insert("url".to_owned(), json!(rest.url));
            shown.extend(rest.user.as_ref().map(|user| ("user".to_owned(), json!(user))));
            shown.extend(rest.token.as_ref().map(|token| ("token".to_owned(), from(token))));
            shown.extend(rest.ca_file.as_ref().map(|file| ("caFile".to_owned(), json!(file))));
            map.insert("rest".to_owned(), Value::Object(shown));
        }
        return map;
    }
    match &spec.provider {
        // They are the file's, wherever it is read again.
        ProviderSpec::Hosts { .. } if spec.pool.hosts_file.is_some() => {}
        ProviderSpec::Hosts { hosts } => drop(map.insert("hosts".to_owned(), json!(hosts))),
        ProviderSpec::Local | ProviderSpec::Class => {}
        ProviderSpec::Command { hooks } => {
            let limit = iso_span(hooks.limit);
            let lines = json!({"acquire": hooks.acquire, "release": hooks.release, "list": hooks.list, "limit": limit});
            map.insert("hooks".to_owned(), lines);
        }
        ProviderSpec::Http { api } => {
            let mut shown = Map::new();
            shown.insert("url".to_owned(), json!(api.url));
            shown.extend(api.token.as_ref().map(|token| ("token".to_owned(), from(token))));
            shown.extend(api.ca_file.as_ref().map(|file| ("caFile".to_owned(), json!(file))));
            map.insert("api".to_owned(), Value::Object(shown));
        }
        ProviderSpec::Slurm { allocation } => {
            map.insert("login".to_owned(), json!(allocation.login));
            if allocation.slurm != super::SlurmSpec::default() {
                map.insert("slurm".to_owned(), json!(allocation.slurm));
            }
            map.extend(allocation.time.map(|time| ("allocationTime".to_owned(), json!(iso_span(time)))));
        }
    }
    if spec.provider != ProviderSpec::Class {
        map.insert("provider".to_owned(), json!(spec.provider.word()));
    }
    map.extend(pool(&spec.pool));
    map
}

fn pool(pool: &PoolSpec) -> Map<String, Value> {
    let PoolSpec { hosts_file, power_on, power_off, price_per_node_hour, max_node_lifetime, agent } = pool;
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    let said = [
        ("hostsFile", text(hosts_file)),
        ("powerOn", text(power_on)),
        ("powerOff", text(power_off)),
        ("pricePerNodeHour", price_per_node_hour.map(|price| json!(price.0 as f64 / 1e6))),
        ("maxNodeLifetime", max_node_lifetime.map(|span| json!(iso_span(span)))),
        ("agent", agent.map(|agent| json!(agent))),
    ];
    said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn without_values(spec: &JobSpec) -> JobSpec {
    let mut spec = spec.clone();
    for (_, source) in sources_of_job(&mut spec) {
        if matches!(source, SecretSource::Given(_)) {
            *source = SecretSource::Prompt;
        }
    }
    spec
}

/// Puts the published forms of secrets in the place of the stored ones: names and sources, and null for values.
fn publish_sources(spec: &JobSpec, map: &mut Map<String, Value>) {
    if !spec.secrets.is_empty() {
        map.insert("secrets".to_owned(), spec.secrets.iter().map(Secret::shown).collect());
    }
    let credentials = spec.container_settings.as_ref().and_then(|c| c.image_source_registry.credentials.as_ref());
    if let Some(credentials) = credentials {
        let mut shown = Map::new();
        shown.insert("username".to_owned(), json!(credentials.username));
        shown.extend(credentials.password.shown("password", "passwordSecretReference"));
        map["containerSettings"]["imageSourceRegistry"]["credentials"] = Value::Object(shown);
    }
    publish_mounts(&spec.mount_volumes, map);
}

/// Puts the published forms of file servers and of keys into a map that has `mountVolumes`.
fn publish_mounts(volumes: &MountVolumes, map: &mut Map<String, Value>) {
    let Some(shown) = map.get_mut("mountVolumes") else { return };
    for (at, server) in volumes.file_servers.iter().enumerate() {
        shown["fileServers"][at]["fileServer"] = json!({"id": server.file_server});
    }
    let shares = volumes.azure_file_shares.iter().map(|share| share.credentials.as_ref());
    let blobs = volumes.azure_blob_file_systems.iter().map(|blob| blob.credentials.as_ref());
    let lists: [(&str, Vec<_>); 2] = [("azureFileShares", shares.collect()), ("azureBlobFileSystems", blobs.collect())];
    for (list, sources) in lists {
        for (at, source) in sources.into_iter().enumerate() {
            if let Some(source) = source {
                let key = source.shown("accountKey", "accountKeySecretReference");
                shown[list][at]["credentials"] = Value::Object(key);
            }
        }
    }
}

/// Returns the word of a priority.
pub fn priority_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    }
}

/// Returns a span in the form of ISO 8601 that the published bodies use: `P7D`, `PT1H30M`, `PT0.25S`.
pub fn iso_span(span: Millis) -> String {
    let (days, rest) = (span.0 / 86_400_000, span.0 % 86_400_000);
    let (hours, minutes, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest % 60_000);
    let day = if days > 0 { format!("{days}D") } else { String::new() };
    let mut clock = String::new();
    if hours > 0 {
        clock.push_str(&format!("{hours}H"));
    }
    if minutes > 0 {
        clock.push_str(&format!("{minutes}M"));
    }
    if ms > 0 {
        let fraction =
            if ms % 1000 > 0 { format!(".{:03}", ms % 1000).trim_end_matches('0').to_owned() } else { String::new() };
        clock.push_str(&format!("{}{fraction}S", ms / 1000));
    }
    match (day.is_empty(), clock.is_empty()) {
        (true, true) => "PT0S".to_owned(),
        (_, true) => format!("P{day}"),
        (_, false) => format!("P{day}T{clock}"),
    }
}

/// Adds the rule about GPUs to the bounds of auto-scale, where there is one.
pub fn with_gpu_idle(mut bounds: Value, auto: &AutoScale) -> Value {
    if let Some(rule) = &auto.gpu_idle {
        bounds["gpuIdle"] = json!({"after": iso_span(rule.after), "then": rule.then});
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::doc::Doc;
    use crate::model::spec::fields::Faults;
    use crate::model::spec::mounts::AzureFileShare;
    use crate::model::spec::patch::{QuickMounts, Storage, StorageKey, Whose, patch};
    use crate::model::spec::secret::SecretText;
    use crate::model::spec::{ClusterFile, JobFile, NodeSetup};

    #[test]
    fn spans_read_back() {
        for (ms, text) in
            [(0, "PT0S"), (604_800_000, "P7D"), (5_400_000, "PT1H30M"), (250, "PT0.25S"), (90_061_001, "P1DT1H1M1.001S")]
        {
            assert_eq!(iso_span(Millis(ms)), text);
            assert_eq!(Millis::parse(text), Ok(Millis(ms)), "{text}");
        }
    }

    const STORAGE: &str = "acct";

    fn published(name: &str, whose: Whose) -> Doc {
        let path = format!("{}/tests/fixtures/published/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut doc = Doc::parse(name, &std::fs::read(path).unwrap()).unwrap();
        let key = StorageKey::Value(SecretText::new("not-to-be-shown"));
        let storage = Storage { account: Some(STORAGE.to_owned()), key: Some(key) };
        let mut faults = Faults::default();
        patch(&mut doc, whose, &storage, &QuickMounts::default(), &mut faults);
        assert_eq!(faults.errors, [], "{name}");
        doc
    }

    #[test]
    fn published_files_with_every_key_load_and_read_back_without_their_secrets() {
        for name in ["job-every-key.json", "job-older-api.json", "job-as-shown.json"] {
            let mut faults = Faults::default();
            let file = JobFile::read(&published(name, Whose::Job), &mut faults);
            let file = file.unwrap_or_else(|| panic!("{name}: {faults:#?}"));
            let body = Value::Object(job(&file.spec)).to_string();
            assert!(!body.contains("not-to-be-shown"), "{name}: {body}");
            // A value that was given cannot be read back; whoever submits the body again gives it again.
            if file.spec.secrets.is_empty() {
                let mut doc = Doc::parse(name, body.as_bytes()).unwrap();
                patch(&mut doc, Whose::Job, &Storage::default(), &QuickMounts::default(), &mut faults);
                let again = JobFile::read(&doc, &mut faults);
                assert!(again.is_some(), "{name}: {faults:#?} {body}");
            }
        }
        let mut faults = Faults::default();
        let file = ClusterFile::read(
            &{
                let mut doc = published("cluster-every-key.json", Whose::Cluster);
                doc.put_property(&["provider"], crate::model::spec::doc::Value::Text("local".to_owned()));
                doc
            },
            &mut faults,
        );
        let file = file.unwrap_or_else(|| panic!("{faults:#?}"));
        let body = Value::Object(cluster(&file.spec)).to_string();
        assert!(!body.contains("not-to-be-shown"), "{body}");
        for word in [
            "STANDARD_NC6",
            "lowpriority",
            "waitforjobcompletion",
            "UbuntuServer",
            "subnets/default",
            "libopenmpi-dev",
            "vision",
            "acct",
            "DEBIAN_FRONTEND",
        ] {
            assert!(body.contains(word), "{word}: {body}");
        }
    }

    #[test]
    fn a_job_reads_back_with_what_nobody_used() {
        let text = r#"{"nodeCount": 2, "cluster": {"id": "/workspaces/w/clusters/gpu"}, "comment": "c", "priority": 5, "future": {"a": [1]},
            "customMpiSettings": {"commandLine": "x", "processCount": 2, "note": "n"},
            "environmentVariables": [{"name": "A", "value": "1", "comment": "of A"}],
            "outputDirectories": [{"id": "M", "pathPrefix": "/m", "type": "model"}],
            "constraints": {"maxWallClockTime": "2h"}, "resources": {"cpus": 1.5, "memory": "1GiB", "gpus": 1}}"#;
        let mut faults = Faults::default();
        let spec = JobFile::read(&Doc::parse("x.json", text.as_bytes()).unwrap(), &mut faults).unwrap().spec;
        let body = job(&spec);
        let written = Value::Object(body.clone()).to_string();
        let again = JobFile::read(&Doc::parse("x.json", written.as_bytes()).unwrap(), &mut Faults::default());
        assert_eq!(again.map(|file| file.spec), Some(spec), "{written}");
        assert_eq!(body["customMpiSettings"]["note"], "n");
        assert_eq!(body["environmentVariables"][0], json!({"name": "A", "value": "1", "comment": "of A"}));
        assert_eq!(body["outputDirectories"][0]["type"], "model");
        assert_eq!((&body["future"], &body["comment"]), (&json!({"a": [1]}), &json!("c")));
        assert!(!body.contains_key("kept"));
    }

    #[test]
    fn a_cluster_reads_back_and_shows_no_value() {
        let text = r#"{"hosts": ["a", "b"], "vmSize": "STANDARD_NC6", "vmPriority": "lowpriority", "location": "eastus", "tags": {"a": "b"},
            "scaleSettings": {"manual": {"targetNodeCount": 1, "nodeDeallocationOption": "terminate"}},
            "userAccountSettings": {"adminUserName": "ada", "adminUserSshPublicKey": "ssh-ed25519 AAAA", "adminUserPassword": "hunter2"},
            "subnet": {"id": "/x/y"}, "virtualMachineConfiguration": {"imageReference": {"publisher": "p", "offer": "o", "sku": "s"}}}"#;
        let mut faults = Faults::default();
        let mut spec = ClusterFile::read(&Doc::parse("x.json", text.as_bytes()).unwrap(), &mut faults).unwrap().spec;
        let body = cluster(&spec);
        let written = Value::Object(body).to_string();
        assert!(!written.contains("hunter2") && written.contains("eastus"), "{written}");
        let again = ClusterFile::read(&Doc::parse("x.json", written.as_bytes()).unwrap(), &mut Faults::default());
        assert_eq!(again.map(|file| file.spec).as_ref(), Some(&spec), "{written}");
        let share = AzureFileShare {
            account_name: "acct".to_owned(),
            azure_file_url: "https://acct.file.core.windows.net/s".to_owned(),
            credentials: Some(SecretSource::Given(SecretText::new("hunter2"))),
            relative_mount_path: "s".to_owned(),
            file_mode: "0777".to_owned(),
            directory_mode: "0777".to_owned(),
        };
        let mount_volumes = MountVolumes { azure_file_shares: vec![share], ..MountVolumes::default() };
        spec.node_setup = Some(NodeSetup { mount_volumes, ..NodeSetup::default() });
        let written = Value::Object(cluster(&spec)).to_string();
        assert!(!written.contains("hunter2") && written.contains("acct"), "{written}");
    }
}
