//! Each accepted and each refused key of a cluster.

use super::*;

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
        },
    };
    for (name, text) in [("c.json", json), ("c.yaml", yaml), ("c.toml", toml)] {
        assert_eq!(read(name, text), (Some(expected.clone()), vec![], vec![]), "{name}");
    }
    let (local, errors, _) = read("c.yaml", "provider: local\nscaleSettings: {manual: {targetNodeCount: 0}}\n");
    assert_eq!(local.map(|c| c.spec.provider), Some(ProviderSpec::Local), "{errors:?}");
}

#[test]
fn single_faults() {
    for (text, expected) in [
        ("{}", "has no nodes: give `hosts`"),
        ("{hosts: a}", "scaleSettings: is missing"),
        ("{hosts: a, scaleSettings: {}}", "scaleSettings: has no `manual`"),
        ("{hosts: a, scaleSettings: {manual: {}}}", "scaleSettings.manual.targetNodeCount: is missing"),
        ("{hosts: a, scaleSettings: {manual: {targetNodeCount: -1}}}", "must be 0 to 10000, got -1"),
        (
            "{hosts: a, scaleSettings: {manual: {targetNodeCount: 1, nodeDeallocationOption: kill}}}",
            "nodeDeallocationOption: `kill` is none of `requeue`, `terminate`, `waitforjobcompletion`",
        ),
        (
            "{hosts: a, scaleSettings: {autoScale: {minimumNodeCount: 0, maximumNodeCount: 2}}}",
            "scaleSettings.autoScale: is not supported: this version scales by hand",
        ),
        ("{hosts: '-oProxyCommand=x', scaleSettings: {manual: {targetNodeCount: 1}}}", "may not begin with `-`"),
        ("{hosts: [a, 'b;c'], scaleSettings: {manual: {targetNodeCount: 1}}}", "hosts[1]: the host has the character `;`"),
        ("{hosts: [a, A], scaleSettings: {manual: {targetNodeCount: 1}}}", "hosts[1]: the host `A` is named twice"),
        ("{hosts: [], scaleSettings: {manual: {targetNodeCount: 1}}}", "hosts: names no host"),
        ("{hosts: 'n[1-20000]', scaleSettings: {manual: {targetNodeCount: 1}}}", "the range is too long"),
        ("{provider: azure, scaleSettings: {manual: {targetNodeCount: 1}}}", "`azure` is none of `hosts`, `local`"),
        ("{provider: local, hosts: a, scaleSettings: {manual: {targetNodeCount: 1}}}", "hosts: has no meaning"),
        (
            "{hosts: a, scaleSettings: {manual: {targetNodeCount: 1}}, nodeSetup: {setupTask: {commandLine: x}}}",
            "nodeSetup.setupTask: is not supported",
        ),
        (
            "{hosts: a, scaleSettings: {manual: {targetNodeCount: 1}}, nodeSetup: {mountVolumes: {fileServers: []}}}",
            "nodeSetup.mountVolumes: is not supported",
        ),
        ("{name: a b, hosts: a, scaleSettings: {manual: {targetNodeCount: 1}}}", "name: the name has the character U+0020"),
    ] {
        let (cluster, errors, _) = read("c.yaml", text);
        assert_eq!(cluster, None, "{text}");
        assert!(errors.iter().any(|error| error.contains(expected)), "{text}: {errors:?}");
    }
}

#[test]
fn published_properties_without_effect_are_said() {
    let (cluster, errors, warnings) = read(
        "c.yaml",
        "hosts: a\nscaleSettings: {manual: {targetNodeCount: 1}}\nvmPriority: lowpriority\nuserAccountSettings: {adminUserName: x}\n\
         virtualMachineConfiguration: {}\nsubnet: {id: x}\nnodeSetup: {performanceCountersSettings: {}}\nvmsize: x\n",
    );
    assert!(cluster.is_some(), "{errors:?}");
    let fields: Vec<&str> = warnings.iter().map(|w| w.split(": ").nth(1).unwrap_or_default()).collect();
    assert_eq!(
        fields,
        [
            "vmPriority",
            "userAccountSettings",
            "virtualMachineConfiguration",
            "subnet",
            "nodeSetup.performanceCountersSettings",
            "unknown key `vmsize`; it is not used; did you mean `vmSize`?"
        ]
    );
}
