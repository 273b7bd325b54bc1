//! `ostler cluster create`: a cluster from options, or from a file in the published form with options over it.

use clap::Args;

use super::account::Account;
use super::cluster::{Pool, Slurm};
use super::cluster_pool;
use super::failure::Failure;
use super::fetch::Source;
use super::lists::Lists;
use super::objects::cluster as object;
use super::quick::Quick;
use super::session::{Session, unexpected};
use crate::model::fault::Fault;
use crate::model::names::check_name;
use crate::model::request::{Place, Reply, Request};
use crate::model::spec::ClusterFile;
use crate::model::spec::doc::{Doc, Value};
use crate::model::spec::fields::Faults;
use crate::model::spec::machine::VM_PRIORITIES;
use crate::model::spec::patch::Whose;
use crate::model::spec::scale_file::DEALLOCATIONS;
use crate::model::units::Millis;

/// The published short names of images: publisher, offer, sku, version (reference §3.1).
const IMAGES: [(&str, [&str; 4]); 2] = [
    ("UbuntuLTS", ["Canonical", "UbuntuServer", "16.04-LTS", "latest"]),
    ("UbuntuDSVM", ["microsoft-ads", "linux-data-science-vm-ubuntu", "linuxdsvmubuntu", "latest"]),
];

/// Options of `create`; they count over the file.
#[derive(Args, Clone, Debug)]
pub struct Create {
    /// Its name: letters, digits, - and _
    name: Option<String>,
    /// The same as NAME, as `az batchai` has it
    #[arg(short = 'n', long = "name", value_name = "NAME")]
    named: Option<String>,
    /// A file in JSON, YAML or TOML: a path, - for standard input, or an https address
    #[arg(short, long, value_name = "FILE", visible_alias = "config-file")]
    file: Option<String>,
    /// Hosts that `ssh HOST` reaches, in the order in which they are taken: 'gpu[01-16],ci@big'
    #[arg(long, value_name = "LIST")]
    hosts: Option<String>,
    #[command(flatten)]
    pool: Pool,
    /// The node class, which says where nodes come from if nothing else does; a free label where none is configured
    #[arg(short = 's', long, value_name = "NAME")]
    vm_size: Option<String>,
    /// The number of nodes wanted; with --min and --max, at first
    #[arg(short, long, value_name = "N")]
    target: Option<u32>,
    /// Auto-scale: never fewer nodes
    #[arg(long, value_name = "N", requires = "max")]
    min: Option<u32>,
    /// Auto-scale: never more nodes
    #[arg(long, value_name = "N", requires = "min")]
    max: Option<u32>,
    /// Auto-scale: so many nodes at first; the target when absent
    #[arg(long, value_name = "N", requires = "max", conflicts_with = "target")]
    initial: Option<u32>,
    /// Auto-scale: a node that nothing has used for so long goes
    #[arg(long, value_name = "SPAN", requires = "max", value_parser = super::job_wait::span)]
    idle: Option<Millis>,
    /// What becomes of jobs on nodes that a smaller target takes away
    #[arg(long, value_name = "OPTION", value_parser = DEALLOCATIONS.map(|(word, _)| word))]
    deallocate: Option<String>,
    /// Run as root on each node that joins
    #[arg(long, value_name = "CMD", requires = "setup_task_output")]
    setup_task: Option<String>,
    /// Where the logs of the set-up task go
    #[arg(long, value_name = "DIR", requires = "setup_task")]
    setup_task_output: Option<String>,
    #[command(flatten)]
    account: Account,
    #[command(flatten)]
    slurm: Slurm,
    #[command(flatten)]
    labels: Labels,
    #[command(flatten)]
    quick: Quick,
    /// Mount a share and a container that all nodes have in common, at autoafs and autobfs: those of the storage account
    /// batchaiautostorage, for which the configuration says what stands in
    #[arg(long, help_heading = "Mounts")]
    use_auto_storage: bool,
}

/// What is kept and shown, and has no effect on machines that exist.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Labels, kept and shown")]
pub struct Labels {
    /// Whether nodes may be taken away
    #[arg(long, value_name = "PRIORITY", value_parser = VM_PRIORITIES.map(|(word, _)| word))]
    vm_priority: Option<String>,
    /// The image: UbuntuLTS, UbuntuDSVM or publisher:offer:sku:version
    #[arg(short, long, value_name = "IMAGE")]
    image: Option<String>,
    /// The id of an image of one's own
    #[arg(long, value_name = "ID", requires = "image")]
    custom_image: Option<String>,
    /// The id of the network
    #[arg(long, value_name = "ID")]
    subnet: Option<String>,
}

/// Does it.
///
/// # Errors
/// As for every command; all faults of the file at once.
pub async fn run(session: &Session, create: Create) -> Result<i32, Failure> {
    let (source, mut doc) = match &create.file {
        Some(file) => {
            let source = Source::read(file).await?;
            let doc = source.doc()?;
            (source, doc)
        }
        None => (Source::none(), Doc::empty()),
    };
    scale(&mut doc, &create)?;
    overlay(&mut doc, &create)?;
    cluster_pool::overlay(session, &mut doc, &create.pool)?;
    slurm(&mut doc, &create);
    let mut faults = Faults::default();
    create.quick.clone().with_auto(create.use_auto_storage).patch(session, &mut doc, Whose::Cluster, &mut faults)?;
    let read = ClusterFile::read(&doc, &mut faults);
    source.judge(
        session.out,
        faults,
        &[("scaleSettings", "--target N sets the number of nodes; --min and --max let it follow the work")],
    )?;
    let Some(mut file) = read else { return Err(Fault::internal("a cluster without faults was not read").into()) };
    create.account.sign_in(&mut file.spec.provider);
    let name = match (create.name, create.named) {
        (Some(one), Some(other)) if one != other => {
            return Err(Fault::config(format!("two names are given: `{one}` and `{other}`")).into());
        }
        (one, other) => one.or(other).or(file.name),
    };
    let Some(name) = name else {
        return Err(Fault::config("the cluster has no name").hint("ostler cluster create NAME -f FILE").into());
    };
    check_name(&name).map_err(Fault::config)?;
    let core = session.core().await?;
    let login = file.spec.slurm.as_ref().and(file.spec.provider.hosts()).and_then(|hosts| hosts.first()).cloned();
    let target = match &login {
        Some(login) => format!("of Slurm, by {login}"),
        None => format!("with a target of {}", file.spec.scale_settings.target()),
    };
    let sentence = format!("create cluster `{name}` {target}");
    let named = session.globals.workspace.clone().or(file.workspace).or_else(|| session.context.workspace.clone());
    let workspace = session.within_group(named);
    let place = Place { workspace: workspace.clone(), name: Some(name.clone()) };
    let request = Request::CreateCluster { workspace, name, spec: Box::new(file.spec) };
    let made = core.act(&sentence, request).await?;
    if let (Some(Reply::Cluster(_)), Some(budget)) = (&made, file.budget) {
        let request = Request::SetBudget { cluster: Some(place), workspace: None, budget: Some(budget) };
        core.act("limit what it may spend", request).await?;
    }
    match made {
        None => {}
        Some(Reply::Cluster(cluster)) => {
            let lists = Lists::read(&core, None).await?;
            let value = object::value(&cluster, lists.home(cluster.workspace), &lists.nodes_of(&cluster));
            let said = match &login {
                Some(login) => format!("cluster `{}` created; its jobs go to Slurm by {login}", cluster.name),
                None => format!("cluster `{}` created, target {}", cluster.name, cluster.spec.scale_settings.target()),
            };
            session.out.done(&said, &cluster.name, &value)?;
        }
        Some(other) => return Err(unexpected(&other)),
    }
    Ok(0)
}

/// Puts the numbers of nodes over what the file says, by the published short form (reference §9.1): bounds that are one number
/// and no other target are that number, set by hand; other bounds let it follow the work, the target at first.
fn scale(doc: &mut Doc, create: &Create) -> Result<(), Fault> {
    let mut put = |path: &[&'static str], text: String| doc.put_property(path, Value::Number(text));
    match (create.min, create.max) {
        (Some(min), Some(max)) if min > max => {
            return Err(Fault::config(format!("--min {min} is above --max {max}")));
        }
        (Some(min), Some(max)) => {
            let by_hand = min == max && max > 0 && create.target.is_none_or(|target| target == min) && create.idle.is_none();
            if by_hand && create.initial.is_none() {
                put(&["scaleSettings", "manual", "targetNodeCount"], min.to_string());
                return Ok(());
            }
            put(&["scaleSettings", "autoScale", "minimumNodeCount"], min.to_string());
            put(&["scaleSettings", "autoScale", "maximumNodeCount"], max.to_string());
            if let Some(initial) = create.initial.or(create.target) {
                put(&["scaleSettings", "autoScale", "initialNodeCount"], initial.to_string());
            }
            if let Some(idle) = create.idle {
                let idle = Value::Text(format!("{}ms", idle.0));
                doc.put_property(&["scaleSettings", "autoScale", "idleTime"], idle);
            }
        }
        (_, _) => {
            if let Some(target) = create.target {
                put(&["scaleSettings", "manual", "targetNodeCount"], target.to_string());
            }
        }
    }
    Ok(())
}

/// Puts what is asked of Slurm over what the file says. A login node means Slurm; with a number of nodes, these are allocations that
/// ostler holds and fills.
fn slurm(doc: &mut Doc, create: &Create) {
    let slurm = &create.slurm;
    let word = || Some("slurm".to_owned());
    let asked = slurm.login.is_some() && slurm.backend.as_deref() != Some("ssh");
    let holds = create.pool.provider.is_some() || create.target.is_some() || create.max.is_some();
    let (backend, provider) = match asked {
        true if holds => (None, create.pool.provider.clone().or_else(word)),
        true => (word(), None),
        false => (slurm.backend.clone(), None),
    };
    let time = slurm.allocation_time.map(|time| format!("{}ms", time.0));
    let texts: [(&[&'static str], &Option<String>); 11] = [
        (&["backend"], &backend),
        (&["provider"], &provider),
        (&["allocationTime"], &time),
        (&["login"], &slurm.login),
        (&["slurm", "partition"], &slurm.partition),
        (&["slurm", "account"], &slurm.account),
        (&["slurm", "qos"], &slurm.qos),
        (&["rest", "url"], &slurm.rest),
        (&["rest", "token", "fromCommand"], &slurm.rest_token_command),
        (&["rest", "user"], &slurm.rest_user),
        (&["rest", "caFile"], &slurm.rest_ca),
    ];
    for (path, text) in texts {
        if let Some(text) = text {
            doc.put_property(path, Value::Text(text.clone()));
        }
    }
    if !slurm.sbatch_option.is_empty() {
        let words = slurm.sbatch_option.join("\n");
        doc.put_property(&["slurm", "options"], Value::Text(words));
    }
}

/// Puts the other options over what the file says.
fn overlay(doc: &mut Doc, create: &Create) -> Result<(), Fault> {
    let labels = &create.labels;
    let texts: [(&[&'static str], &Option<String>); 7] = [
        (&["hosts"], &create.hosts),
        (&["scaleSettings", "manual", "nodeDeallocationOption"], &create.deallocate),
        (&["vmSize"], &create.vm_size),
        (&["vmPriority"], &labels.vm_priority),
        (&["subnet", "id"], &labels.subnet),
        (&["nodeSetup", "setupTask", "commandLine"], &create.setup_task),
        (&["nodeSetup", "setupTask", "stdOutErrPathPrefix"], &create.setup_task_output),
    ];
    for (path, text) in texts {
        if let Some(text) = text {
            doc.put_property(path, Value::Text(text.clone()));
        }
    }
    if let Some(image) = &labels.image {
        for (key, text) in image_parts(image)? {
            let path = ["virtualMachineConfiguration", "imageReference", key];
            doc.put_property(&path, Value::Text(text));
        }
    }
    if let Some(id) = &labels.custom_image {
        let path = ["virtualMachineConfiguration", "imageReference", "virtualMachineImageId"];
        doc.put_property(&path, Value::Text(id.clone()));
    }
    create.account.overlay(doc, &["userAccountSettings"])
}

/// An image by its published short name, in any case of letters, or by its four parts, of which the version may be empty.
fn image_parts(image: &str) -> Result<Vec<(&'static str, String)>, Fault> {
    let keys = ["publisher", "offer", "sku", "version"];
    if let Some((_, parts)) = IMAGES.iter().find(|(name, _)| name.eq_ignore_ascii_case(image)) {
        return Ok(keys.into_iter().zip(parts.map(str::to_owned)).collect());
    }
    let parts: Vec<&str> = image.split(':').collect();
    match parts.as_slice() {
        [a, b, c, version] if ![a, b, c].iter().any(|part| part.is_empty()) => {
            let parts = [*a, *b, *c, *version].map(str::to_owned);
            Ok(keys.into_iter().zip(parts).filter(|(_, part)| !part.is_empty()).collect())
        }
        _ => Err(Fault::config(format!("`{}` names no image", image.escape_debug()))
            .hint("UbuntuLTS, UbuntuDSVM, or publisher:offer:sku:version, where the version may be empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_as_published() {
        let parts =
            |image: &str| image_parts(image).map(|parts| parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>());
        assert_eq!(parts("ubuntults").unwrap(), ["Canonical", "UbuntuServer", "16.04-LTS", "latest"]);
        assert_eq!(parts("a:b:c:").unwrap(), ["a", "b", "c"]);
        for bad in ["", "a", "a:b:c", "a::c:d", "a:b:c:d:e"] {
            assert!(parts(bad).unwrap_err().message.contains("names no image"), "{bad}");
        }
    }
}
