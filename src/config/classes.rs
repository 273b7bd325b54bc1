//! The key `node_classes`: what the published `vmSize` may name.

use std::collections::BTreeMap;

use super::Config;
use super::keys::toml_text;
use crate::model::names::{check_host, expand_hosts};
use crate::model::node_class::NodeClass;
use crate::model::spec::doc::Value;
use crate::model::spec::fields::{Faults, Field};
use crate::model::spec::{ProviderSpec, Resources};
use crate::model::units::Money;

#[derive(Clone, Copy)]
enum Kind {
    Hosts,
    Local,
}

/// Takes the table of classes.
pub(super) fn read(field: &Field<'_>, config: &mut Config, faults: &mut Faults) {
    let Value::Map(entries) = field.value() else {
        return field.fault(faults, "wants a table for each class: `[node_classes.NAME]`");
    };
    let mut classes: BTreeMap<String, NodeClass> = BTreeMap::new();
    for entry in entries {
        let item = field.child(&entry.key, &entry.value);
        if crate::model::node_class::find(&classes, &entry.key).is_some() {
            item.fault(faults, "is there twice: the case of letters does not count");
        } else if let Some(class) = class(&item, faults) {
            classes.insert(entry.key.clone(), class);
        }
    }
    config.settings.node_classes = classes;
}

fn class(field: &Field<'_>, faults: &mut Faults) -> Option<NodeClass> {
    let mut fields = field.map(faults)?;
    let kind =
        fields.take("provider").and_then(|field| field.word(faults, &[("hosts", Kind::Hosts), ("local", Kind::Local)]));
    let hosts = fields.take("hosts");
    let provider = match (kind, hosts) {
        (Some(Kind::Local), Some(hosts)) => {
            hosts.fault(faults, "has no meaning with the provider `local`, whose nodes are this machine");
            None
        }
        (Some(Kind::Local), None) => Some(ProviderSpec::Local),
        (Some(Kind::Hosts), None) => {
            field.fault(faults, "has the provider `hosts` and no `hosts`");
            None
        }
        (Some(Kind::Hosts) | None, Some(hosts)) => named(&hosts, faults).map(|hosts| ProviderSpec::Hosts { hosts }),
        (None, None) => None,
    };
    let admin_user = fields.take("admin_user").and_then(|field| field.truth(faults)).unwrap_or_default();
    let least = Resources {
        cpus_milli: fields.take("cpus").and_then(|field| field.thousandths(faults)).unwrap_or_default(),
        memory: fields.take("memory").and_then(|field| field.bytes(faults)).unwrap_or_default(),
        gpus_milli: fields.take("gpus").and_then(|field| field.thousandths(faults)).unwrap_or_default(),
        ..Resources::default()
    };
    let os = fields.take("os").and_then(|field| field.text(faults));
    let price = fields.take("price").and_then(|field| {
        let text = field.scalar(faults)?;
        Money::parse(&text).map_err(|why| field.fault(faults, why)).ok()
    });
    fields.finish_strictly(faults);
    Some(NodeClass { provider, admin_user, least, price, os })
}

/// One text with ranges, or a list of such texts.
fn named(field: &Field<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let items = match field.value() {
        Value::List(_) => field.list(faults),
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Map(_) => vec![field.clone()],
    };
    let mut hosts: Vec<String> = Vec::new();
    for item in items {
        let text = item.text(faults)?;
        match expand_hosts(&text).and_then(|found| found.iter().try_for_each(|host| check_host(host)).map(|()| found)) {
            Ok(found) => hosts.extend(found),
            Err(why) => item.fault(faults, why),
        }
    }
    if hosts.is_empty() {
        field.fault(faults, "names no host");
    }
    Some(hosts)
}

/// Returns the table as the file would have it.
pub(super) fn show(config: &Config) -> String {
    let shown = |(name, class): (&String, &NodeClass)| {
        let mut parts = Vec::new();
        match &class.provider {
            Some(ProviderSpec::Hosts { hosts }) => {
                let hosts: Vec<_> = hosts.iter().map(|host| toml_text(host)).collect();
                parts.push(format!("hosts = [{}]", hosts.join(", ")));
            }
            Some(ProviderSpec::Local) => parts.push("provider = \"local\"".to_owned()),
            // No class says these.
            Some(
                ProviderSpec::Class | ProviderSpec::Command { .. } | ProviderSpec::Http { .. } | ProviderSpec::Slurm { .. },
            )
            | None => {}
        }
        if class.admin_user {
            parts.push("admin_user = true".to_owned());
        }
        let least = [("cpus", class.least.cpus_milli), ("gpus", class.least.gpus_milli)];
        for (name, milli) in least.into_iter().filter(|(_, milli)| *milli > 0) {
            parts.push(format!("{name} = {}", milli as f64 / 1000.0));
        }
        if class.least.memory.0 > 0 {
            parts.push(format!("memory = \"{}\"", class.least.memory.0));
        }
        parts.extend(class.price.map(|price| format!("price = {}", price.0 as f64 / 1e6)));
        parts.extend(class.os.as_ref().map(|os| format!("os = {}", toml_text(os))));
        format!("{} = {{ {} }}", toml_text(name), parts.join(", "))
    };
    let classes: Vec<_> = config.settings.node_classes.iter().map(shown).collect();
    if classes.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", classes.join(", ")) }
}
