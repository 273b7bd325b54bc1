//! Each accepted and each refused key of a cluster.

use super::*;
use crate::model::spec::machine::VmPriority;
use crate::model::spec::{AgentKind, Deallocation, GpuIdle, GpuIdleThen, ProviderSpec, ScaleSettings};
use crate::model::units::{Millis, NodeCount};

fn read(name: &str, text: &str) -> (Option<ClusterFile>, Vec<String>, Vec<String>) {
    let doc = Doc::parse(name, text.as_bytes()).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
    let mut faults = Faults::default();
    let cluster = ClusterFile::read(&doc, &mut faults);
    let lines = |list: &[crate::model::spec::fields::FileFault]| {
        list.iter().map(|fault| format!("{}: {fault}", fault.place)).collect()
    };
    (cluster, lines(&faults.errors), lines(&faults.warnings))
}

#[test]
fn the_three_languages_say_the_same() {
    let json = r#"{"name": "gpu", "properties": {"vmSize": "STANDARD_NC6", "hosts": ["node[1-3]", "ci@big"],
        "scaleSettings": {"manual": {"targetNodeCount": 2, "nodeDeallocationOption": "terminate"}}}}"#;
    let yaml = "name: gpu\nvmSize: STANDARD_NC6\nprovider: hosts\nhosts: node[1-3] ci@big\nscaleSettings: {manual: {targetNodeCount: 2, nodeDeallocationOption: terminate}}\n";
    let toml = "name = 'gpu'\nvmSize = 'STANDARD_NC6'\nhosts = 'node1,node[2-3],ci@big'\n[scaleSettings.manual]\ntargetNodeCount = 2\nnodeDeallocationOption = 'Terminate'\n";
    let expected = ClusterFile {
        budget: None,
        name: Some("gpu".to_owned()),
        workspace: None,
        spec: ClusterSpec {
            provider: ProviderSpec::Hosts { hosts: ["node1", "node2", "node3", "ci@big"].map(String::from).to_vec() },
            scale_settings: ScaleSettings::Manual {
                target_node_count: NodeCount(2),
                node_deallocation_option: Deallocation::Terminate,
            },
            vm_size: Some("STANDARD_NC6".to_owned()),
            node_setup: None,
            machines: Default::default(),
            pool: Default::default(),
            slurm: None,
            rest: None,
            kept: Default::default(),
        },
    };
    for (name, text) in [("c.json", json), ("c.yaml", yaml), ("c.toml", toml)] {
        assert_eq!(read(name, text), (Some(expected.clone()), vec![], vec![]), "{name}");
    }
    let (local, errors, _) = read("c.yaml", "provider: local\nscaleSettings: {manual: {targetNodeCount: 0}}\n");
    assert_eq!(local.as_ref().map(|c| c.spec.pool.agent), Some(None), "{errors:?}");
    assert_eq!(local.map(|c| c.spec.provider), Some(ProviderSpec::Local), "{errors:?}");
    for (word, agent) in [("shell", AgentKind::Shell), ("native", AgentKind::Native)] {
        let (file, errors, _) =
            read("c.yaml", &format!("hosts: a\nagent: {word}\nscaleSettings: {{manual: {{targetNodeCount: 0}}}}\n"));
        assert_eq!(file.map(|c| c.spec.pool.agent), Some(Some(agent)), "{errors:?}");
    }
}

#[test]
fn single_faults() {
    for (text, expected) in [
        ("{}", "has no nodes: give `hosts`"),
        ("{hosts: a}", "scaleSettings: is missing"),
        ("{hosts: a, scaleSettings: {}}", "scaleSettings: has neither `manual`"),
        ("{hosts: a, scaleSettings: {manual: {}}}", "scaleSettings.manual.targetNodeCount: is missing"),
        ("{hosts: a, scaleSettings: {manual: {targetNodeCount: -1}}}", "must be 0 to 10000, got -1"),
        (
            "{hosts: a, scaleSettings: {manual: {targetNodeCount: 1, nodeDeallocationOption: kill}}}",
            "nodeDeallocationOption: `kill` is none of `requeue`, `terminate`, `waitforjobcompletion`",
        ),
        (
            "{hosts: a, scaleSettings: {autoScale: {minimumNodeCount: 3, maximumNodeCount: 2}}}",
            "scaleSettings.autoScale: minimumNodeCount 3 is above maximumNodeCount 2",
        ),
        ("{hosts: a, scaleSettings: {autoScale: {minimumNodeCount: 0}}}", "autoScale.maximumNodeCount: is missing"),
        (
            "{hosts: a, scaleSettings: {autoScale: {minimumNodeCount: 1, maximumNodeCount: 2, initialNodeCount: 3}}}",
            "autoScale.initialNodeCount: must be 1 to 2, got 3",
        ),
        (
            "{hosts: a, scaleSettings: {autoScale: {minimumNodeCount: 1, maximumNodeCount: 2, gpuIdle: {after: 90s}}}}",
            "scaleSettings.autoScale.gpuIdle.after: must be 2m00s at least",
        ),
        (
            "{hosts: a, scaleSettings: {autoScale: {minimumNodeCount: 1, maximumNodeCount: 2, gpuIdle: {then: stop}}}}",
            "scaleSettings.autoScale.gpuIdle.after: is missing",
        ),
        (
            "{hosts: a, scaleSettings: {autoScale: {minimumNodeCount: 1, maximumNodeCount: 2, gpuIdle: {after: 30m, then: kill}}}}",
            "gpuIdle.then: `kill` is none of `say`, `stop`",
        ),
        ("{hosts: a, budget: {per: day}, scaleSettings: {manual: {targetNodeCount: 1}}}", "budget.limit: is missing"),
        (
            "{hosts: a, budget: {limit: some}, scaleSettings: {manual: {targetNodeCount: 1}}}",
            "budget.limit: `some` is no price",
        ),
        (
            "{hosts: a, budget: {limit: 1, per: year}, scaleSettings: {manual: {targetNodeCount: 1}}}",
            "budget.per: `year` is none of `day`, `week`, `month`, `total`",
        ),
        (
            "{hosts: a, budget: {limit: 1, then: stop}, scaleSettings: {manual: {targetNodeCount: 1}}}",
            "budget.then: `stop` is none of `warn`, `hold`, `zero`",
        ),
        (
            "{hosts: a, scaleSettings: {manual: {targetNodeCount: 1}, autoScale: {minimumNodeCount: 1, maximumNodeCount: 2}}}",
            "scaleSettings.autoScale: stands beside `manual`",
        ),
        ("{hosts: '-oProxyCommand=x', scaleSettings: {manual: {targetNodeCount: 1}}}", "may not begin with `-`"),
        ("{hosts: [a, 'b;c'], scaleSettings: {manual: {targetNodeCount: 1}}}", "hosts[1]: the host has the character `;`"),
        ("{hosts: [a, A], scaleSettings: {manual: {targetNodeCount: 1}}}", "hosts[1]: the host `A` is named twice"),
        ("{hosts: [], scaleSettings: {manual: {targetNodeCount: 1}}}", "hosts: names no host"),
        ("{hosts: 'n[1-20000]', scaleSettings: {manual: {targetNodeCount: 1}}}", "the range is too long"),
        ("{backend: slurm, login: a, rest: {url: 'https://r'}}", "rest: has no `token`"),
        (
            "{backend: slurm, login: a, rest: {url: 'http://r/x', token: {fromCommand: c}}}",
            "rest.url: `http://r/x` is not https://HOST",
        ),
        ("{backend: slurm, login: a, rest: {url: 'https://r', token: {fromCommand: c}, x: 1}}", "rest: unknown key `x`"),
        ("{backend: slurm, login: a, rest: {url: 'unix:/s', caFile: /c}}", "which only https uses"),
        (
            "{hosts: a, rest: {url: 'unix:/s'}, scaleSettings: {manual: {targetNodeCount: 1}}}",
            "rest: has a meaning only with",
        ),
        (
            "{provider: slurm, login: a, rest: {url: 'unix:/s'}, scaleSettings: {manual: {targetNodeCount: 1}}}",
            "rest: cannot be with",
        ),
        ("{provider: azure, scaleSettings: {manual: {targetNodeCount: 1}}}", "`azure` is none of `hosts`, `local`"),
        (
            "{hosts: a, agent: docker, scaleSettings: {manual: {targetNodeCount: 1}}}",
            "`docker` is none of `shell`, `native`",
        ),
        ("{provider: local, hosts: a, scaleSettings: {manual: {targetNodeCount: 1}}}", "hosts: has no meaning"),
        (
            "{hosts: a, scaleSettings: {manual: {targetNodeCount: 1}}, nodeSetup: {setupTask: {commandLine: ' '}}}",
            "nodeSetup.setupTask.commandLine: is empty",
        ),
        (
            "{hosts: a, scaleSettings: {manual: {targetNodeCount: 1}}, nodeSetup: {mountVolumes: {fileServers: [{relativeMountPath: a}]}}}",
            "nodeSetup.mountVolumes.fileServers[0]",
        ),
        ("{name: a b, hosts: a, scaleSettings: {manual: {targetNodeCount: 1}}}", "name: the name has the character U+0020"),
    ] {
        let (cluster, errors, _) = read("c.yaml", text);
        assert_eq!(cluster, None, "{text}");
        assert!(errors.iter().any(|error| error.contains(expected)), "{text}: {errors:?}");
    }
}

#[test]
fn a_rule_about_gpus_stands_in_the_bounds() {
    for (rule, expected) in [
        ("", None),
        ("gpuIdle: {after: 30m}", Some(GpuIdle { after: Millis::from_mins(30), then: GpuIdleThen::Say })),
        ("gpuIdle: {after: PT1H, then: stop}", Some(GpuIdle { after: Millis::from_mins(60), then: GpuIdleThen::Stop })),
    ] {
        let text =
            format!("{{hosts: a, scaleSettings: {{autoScale: {{minimumNodeCount: 0, maximumNodeCount: 2, {rule}}}}}}}");
        let (cluster, errors, _) = read("c.yaml", &text);
        let spec = cluster.unwrap_or_else(|| panic!("{errors:?}")).spec;
        let ScaleSettings::AutoScale(auto) = spec.scale_settings else { panic!("{:?}", spec.scale_settings) };
        assert_eq!(auto.gpu_idle, expected, "{rule}");
        // What is exported reads back as the same.
        let body = serde_json::to_string(&crate::model::spec::body::cluster(&spec)).unwrap();
        let (again, errors, _) = read("c.json", &body);
        assert_eq!(again.unwrap_or_else(|| panic!("{errors:?}")).spec.scale_settings, spec.scale_settings, "{body}");
    }
}

#[test]
fn published_properties_without_effect_are_said_and_kept() {
    let (cluster, errors, warnings) = read(
        "c.yaml",
        "hosts: a\nscaleSettings: {manual: {targetNodeCount: 1}}\nvmPriority: lowpriority\n\
         userAccountSettings: {adminUserName: admin, adminUserPassword: hunter2}\n\
         virtualMachineConfiguration: {imageReference: {publisher: Canonical, offer: UbuntuServer, sku: 16.04-LTS}}\n\
         subnet: {id: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n}\n\
         location: eastus\ncomment: hi\nvmsize: x\n",
    );
    let spec = cluster.unwrap_or_else(|| panic!("{errors:?}")).spec;
    let lines: Vec<&str> = warnings.iter().map(|w| w.split_once(": ").map_or("", |(_, rest)| rest)).collect();
    assert_eq!(
        lines,
        [
            "vmPriority: is kept as a label: the nodes are machines that exist, and nobody takes them away",
            "userAccountSettings: is kept as a label: sign-in is ssh's own matter (your ~/.ssh/config, or `user@host` in the list of hosts)",
            "userAccountSettings.adminUserName: `admin` was refused by the service, whose nodes have a group of that name",
            "userAccountSettings.adminUserPassword: is accepted and not kept: sign-in is ssh's own matter, and nothing here uses a password",
            "virtualMachineConfiguration: is kept as a label: the nodes are machines that exist, with the system they have",
            "subnet: is kept as a label: the nodes are machines that exist, with the network they have",
            "unknown key `vmsize`; it is not used; did you mean `vmSize`?",
        ]
    );
    assert_eq!(spec.machines.vm_priority, VmPriority::LowPriority);
    assert_eq!(spec.machines.subnet.as_ref().map(|s| s.id.ends_with("/subnets/n")), Some(true));
    for (path, value) in [("location", "eastus"), ("comment", "hi"), ("vmsize", "x")] {
        assert_eq!(spec.kept.get(path), Some(&serde_json::json!(value)), "{path}");
    }
    let stored = serde_json::to_string(&spec).unwrap();
    assert!(!stored.contains("hunter2"), "{stored}");
    assert_eq!(serde_json::from_str::<ClusterSpec>(&stored).unwrap(), spec);
}

#[test]
fn a_budget_stands_beside_the_properties() {
    use crate::model::cost::{Brake, Budget, Period};
    use crate::model::units::Money;
    for (text, expected) in [
        ("{\"hosts\": \"a\", \"scaleSettings\": {\"manual\": {\"targetNodeCount\": 1}}}", None),
        (
            "{\"hosts\": \"a\", \"budget\": {\"limit\": 2.5}, \"scaleSettings\": {\"manual\": {\"targetNodeCount\": 1}}}",
            Some(Budget::new(Money(2_500_000), Period::Month, Brake::Hold)),
        ),
        (
            "{\"properties\": {\"hosts\": \"a\", \"budget\": {\"limit\": \"3\", \"per\": \"day\", \"then\": \"zero\"}, \"scaleSettings\": {\"manual\": {\"targetNodeCount\": 1}}}}",
            Some(Budget::new(Money(3_000_000), Period::Day, Brake::Zero)),
        ),
    ] {
        let mut faults = Faults::default();
        let file = ClusterFile::read(&Doc::parse("cluster.json", text.as_bytes()).unwrap(), &mut faults);
        assert_eq!(file.unwrap_or_else(|| panic!("{:?}", faults.errors)).budget, expected, "{text}");
    }
}

#[test]
fn a_rest_service_is_written_as_it_is_read() {
    let text = "{backend: slurm, login: you@site, rest: {url: 'https://rest:6820', user: you, token: {fromCommand: pass show jwt}, caFile: /c.pem}}";
    let parsed = |text: &str| {
        let (file, errors, warnings) = read("c.yaml", text);
        assert_eq!((errors, warnings), (vec![], vec![]), "{text}");
        file.unwrap().spec
    };
    let first = parsed(text);
    let rest = first.rest.clone().unwrap();
    assert_eq!((rest.url.as_str(), rest.user.as_deref()), ("https://rest:6820", Some("you")));
    let body = serde_json::Value::Object(crate::model::spec::body::nodes(&first)).to_string();
    assert!(body.contains("pass show jwt"), "{body}");
    assert_eq!(parsed(&body), first);
}
