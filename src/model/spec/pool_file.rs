//! Reads where a cluster's nodes come from. Called by the reader of clusters alone.

use std::collections::BTreeSet;

use crate::model::names::{HOSTS_MAX, check_host, expand_hosts};
use crate::model::spec::cluster::ProviderSpec;
use crate::model::spec::doc::Value;
use crate::model::spec::fields::{Faults, Field, Fields, quoted};
use crate::model::spec::pool::{AgentKind, Api, HOOK_LIMIT_DEFAULT, HOOK_LIMIT_MAX, Hooks, PoolSpec};
use crate::model::spec::secret_file;
use crate::model::spec::slurm_file::Said;
use crate::model::units::{Millis, Money};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hosts,
    Local,
    Command,
    Http,
    Slurm,
}

const KINDS: [(&str, Kind); 5] = [
    ("hosts", Kind::Hosts),
    ("local", Kind::Local),
    ("command", Kind::Command),
    ("http", Kind::Http),
    ("slurm", Kind::Slurm),
];

const AGENTS: [(&str, AgentKind); 2] = [("shell", AgentKind::Shell), ("native", AgentKind::Native)];

/// Reads `provider` and what belongs to it; `None` when a fault was noted.
pub(super) fn provider<'d>(
    fields: &mut Fields<'d>,
    slurm: &Said<'d>,
    has_class: bool,
    faults: &mut Faults,
) -> Option<ProviderSpec> {
    let kind_field = fields.take("provider");
    let hosts_field = fields.take("hosts");
    let hooks_field = fields.take("hooks");
    let api_field = fields.take("api");
    let watched = fields.had("hostsFile");
    let kind = match &kind_field {
        Some(field) => Some(field.word(faults, &KINDS)?),
        None if hooks_field.is_some() => Some(Kind::Command),
        None if api_field.is_some() => Some(Kind::Http),
        None => None,
    };
    let mut misplaced = |field: &Option<Field<'_>>, of: Kind, name: &str| match field {
        Some(field) if kind.unwrap_or(Kind::Hosts) != of => {
            let (provider, _) = KINDS.iter().find(|(_, k)| *k == kind.unwrap_or(Kind::Hosts)).unwrap_or(&KINDS[0]);
            let why = if kind == Some(Kind::Local) { ", whose nodes are this machine" } else { "" };
            field.fault(faults, format!("has no meaning with the provider `{provider}`{why}; it belongs to `{name}`"));
            true
        }
        Some(_) | None => false,
    };
    let wrong = [
        misplaced(&hosts_field, Kind::Hosts, "hosts"),
        misplaced(&hooks_field, Kind::Command, "command"),
        misplaced(&api_field, Kind::Http, "http"),
    ];
    if wrong.contains(&true) {
        return None;
    }
    if kind == Some(Kind::Slurm) {
        return slurm.allocation(fields, faults).map(|allocation| ProviderSpec::Slurm { allocation: Box::new(allocation) });
    }
    slurm.refuse(faults);
    match (kind, hosts_field, hooks_field, api_field) {
        (Some(Kind::Local), ..) => Some(ProviderSpec::Local),
        (Some(Kind::Command), _, Some(field), _) => hooks(&field, faults).map(|hooks| ProviderSpec::Command { hooks }),
        (Some(Kind::Http), _, _, Some(field)) => api(&field, faults).map(|api| ProviderSpec::Http { api }),
        (Some(Kind::Hosts) | None, Some(field), ..) => hosts(&field, faults).map(|hosts| ProviderSpec::Hosts { hosts }),
        (Some(Kind::Hosts) | None, None, ..) if watched => Some(ProviderSpec::Hosts { hosts: Vec::new() }),
        (None, ..) if has_class => Some(ProviderSpec::Class),
        (Some(Kind::Command), ..) => {
            fields.whole().fault(faults, "has no `hooks`: a program that takes acquire, release and list, or one for each");
            None
        }
        (Some(Kind::Http | Kind::Slurm), ..) => {
            fields.whole().fault(faults, "has no `api` with the `url` of the interface that gives machines");
            None
        }
        (Some(Kind::Hosts) | None, None, ..) => {
            fields.whole().fault(
                faults,
                "has no nodes: give `hosts`, as `node[1-4]`, or `provider: local` for nodes that are this machine, or in `vmSize` a \
                 node class of the configuration",
            );
            None
        }
    }
}

/// Reads what ostler adds about the nodes.
pub(super) fn pool(fields: &mut Fields<'_>, faults: &mut Faults) -> PoolSpec {
    let mut text = |key, faults: &mut Faults| fields.take(key).and_then(|field| field.checked(faults, check_line));
    let (power_on, power_off) = (text("powerOn", faults), text("powerOff", faults));
    let hosts_file = text("hostsFile", faults);
    let price = fields.take("pricePerNodeHour").and_then(|field| {
        let text = field.scalar(faults)?;
        Money::parse(&text).map_err(|why| field.fault(faults, why)).ok()
    });
    let lifetime = fields.take("maxNodeLifetime").and_then(|field| field.span(faults));
    let agent = fields.take("agent").and_then(|field| field.word(faults, &AGENTS));
    PoolSpec { hosts_file, power_on, power_off, price_per_node_hour: price, max_node_lifetime: lifetime, agent }
}

/// The longest command line of a hook, in bytes.
const LINE_BYTES_MAX: usize = 4096;

pub(super) fn check_line(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if text.len() > LINE_BYTES_MAX || text.contains('\0') {
        return Err(format!("is no command line of at most {LINE_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// One program for all three verbs, or a command line for each.
fn hooks(field: &Field<'_>, faults: &mut Faults) -> Option<Hooks> {
    if let Value::Text(_) = field.value() {
        return Some(Hooks::of_program(&field.checked(faults, check_line)?));
    }
    let mut inner = field.map(faults)?;
    let mut need = |key, faults: &mut Faults| inner.need(faults, key).and_then(|field| field.checked(faults, check_line));
    let (acquire, release, list) = (need("acquire", faults), need("release", faults), need("list", faults));
    let limit = inner.take("limit").and_then(|field| {
        let span = field.span(faults)?;
        if span < Millis::from_secs(1) || span > HOOK_LIMIT_MAX {
            field.fault(faults, format!("must be 1s to {HOOK_LIMIT_MAX}"));
        }
        Some(span)
    });
    inner.finish(faults);
    Some(Hooks { acquire: acquire?, release: release?, list: list?, limit: limit.unwrap_or(HOOK_LIMIT_DEFAULT) })
}

fn api(field: &Field<'_>, faults: &mut Faults) -> Option<Api> {
    let mut inner = field.map(faults)?;
    let url = inner.need(faults, "url").and_then(|field| field.checked(faults, check_url));
    let token = match inner.take("token") {
        None => None,
        Some(field) => Some(secret_file::configured(&field, faults)?),
    };
    let ca_file = inner.take("caFile").and_then(|field| field.checked(faults, check_line));
    inner.finish_strictly(faults);
    Some(Api { url: url?, token, ca_file })
}

/// Checks the address of an interface: https, or http on this machine, without a name or password in it.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn check_url(text: &str) -> Result<(), String> {
    let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("{} is no address", quoted(text)))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("has a user or password in it; give `token` instead".to_owned());
    }
    let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let host = host.map_or(authority, |(host, _)| host);
    let here = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
    match scheme {
        _ if host.is_empty() => Err(format!("{} names no host", quoted(text))),
        "https" => Ok(()),
        "http" if here => Ok(()),
        "http" => Err(format!("{} is not encrypted, and a token would be seen: use https", quoted(text))),
        _ => Err(format!("{} is neither https nor http", quoted(text))),
    }
}

/// One text with ranges, or a list of such texts.
fn hosts(field: &Field<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let items = match field.value() {
        Value::List(_) => field.list(faults),
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Map(_) => vec![field.clone()],
    };
    let before = faults.errors.len();
    let mut hosts = Vec::new();
    let mut seen = BTreeSet::new();
    for item in items {
        let Some(text) = item.text(faults) else { continue };
        match expand_hosts(&text).and_then(|found| found.iter().try_for_each(|host| check_host(host)).map(|()| found)) {
            Ok(found) => {
                for host in found {
                    if !seen.insert(host.to_ascii_lowercase()) {
                        item.fault(faults, format!("the host {} is named twice", quoted(&host)));
                    }
                    hosts.push(host);
                }
            }
            Err(why) => item.fault(faults, why),
        }
    }
    if hosts.is_empty() && faults.errors.len() == before {
        field.fault(faults, "names no host");
    }
    if hosts.len() > HOSTS_MAX {
        field.fault(faults, format!("names {} hosts, the limit is {HOSTS_MAX}", hosts.len()));
    }
    (faults.errors.len() == before).then_some(hosts)
}
