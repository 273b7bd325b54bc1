//! `ostler file-server`: exports that clusters and jobs mount.

use clap::{Args, Subcommand};

use super::account::Account;
use super::args::{Named, spelled};
use super::failure::Failure;
use super::fetch::Source;
use super::lists::Lists;
use super::node::{partly, refusal};
use super::objects::file_server as object;
use super::session::{Core, Session, unexpected};
use crate::model::fault::Fault;
use crate::model::names::check_name;
use crate::model::request::{FileServerView, Reply, Request};
use crate::model::spec::FileServerFile;
use crate::model::spec::doc::{Doc, Value};
use crate::model::spec::fields::Faults;

/// What can be done with file servers.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Make a file server of an export that exists: by NFS, by sshfs, or a directory that all nodes have
    Create(Box<Create>),
    /// Show one file server: where it is and who mounts it
    Show {
        /// Its name; the only one when absent
        name: Option<String>,
        #[command(flatten)]
        named: Named,
    },
    /// List the file servers
    #[command(visible_alias = "ls")]
    List,
    /// Delete a file server; refused while a cluster or job mounts it, unless --force. The files stay
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name
        name: Option<String>,
        #[command(flatten)]
        named: Named,
        /// Delete it although it is mounted; what is mounted stays so until it ends
        #[arg(long)]
        force: bool,
    },
}

/// Options of `create`; they count over the file.
#[derive(Args, Clone, Debug)]
pub struct Create {
    /// Its name: letters, digits, - and _
    #[arg(required_unless_present_any = ["file", "named"], conflicts_with = "named")]
    name: Option<String>,
    /// The same, as `az batchai` has it
    #[arg(short = 'n', long = "name", value_name = "NAME")]
    named: Option<String>,
    /// A file in JSON, YAML or TOML: a path, - for standard input, or an https address
    #[arg(short, long, visible_alias = "config-file", value_name = "FILE")]
    file: Option<String>,
    /// The address that nodes reach it by
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The exported directory
    #[arg(long, value_name = "DIR")]
    path: Option<String>,
    /// How nodes come to it: nfs, sshfs, or dir for a directory that all nodes have [default: nfs]
    #[arg(long, value_name = "KIND", value_parser = ["nfs", "sshfs", "dir"])]
    export: Option<String>,
    /// Given to every mount of it, as `mount -o` takes it
    #[arg(long, value_name = "OPTIONS")]
    mount_options: Option<String>,
    /// The address that people reach it by; that of --host when absent
    #[arg(long, value_name = "HOST")]
    public_address: Option<String>,
    /// A free label of the machine's size
    #[arg(short = 's', long, value_name = "NAME")]
    vm_size: Option<String>,
    /// The number of its disks
    #[arg(long, value_name = "N")]
    disk_count: Option<u32>,
    /// The size of each disk in GB
    #[arg(long, value_name = "GB")]
    disk_size: Option<u32>,
    /// How its disks are cached
    #[arg(long, value_name = "KIND", value_parser = ["none", "readonly", "readwrite"])]
    caching_type: Option<String>,
    /// The kind of its disks [default: Premium_LRS]
    #[arg(long, value_name = "KIND", value_parser = ["Standard_LRS", "Premium_LRS"])]
    storage_sku: Option<String>,
    /// The id of the network; a label
    #[arg(long, value_name = "ID")]
    subnet: Option<String>,
    #[command(flatten)]
    account: Account,
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    match verb {
        Verb::Create(create) => return self::create(session, *create).await,
        Verb::Show { name, named } => {
            let core = session.core().await?;
            let names = named.all(name)?;
            if names.len() > 1 {
                let mut list = session.out.list(object::COLUMNS);
                for name in &names {
                    let view = view(core.ask(Request::ShowFileServer(session.file_server(Some(name)))).await?)?;
                    list.page(vec![object::row(&view.file_server, &view.group, &view.workspace)])?;
                }
                list.end()?;
                return Ok(0);
            }
            let view = view(core.ask(Request::ShowFileServer(session.file_server(names.first()))).await?)?;
            session.out.one(&view.file_server.name, &object::facts(&view), &object::view_value(&view))?;
        }
        Verb::List => {
            let core = session.core().await?;
            let lists = Lists::read(&core, session.workspace().as_ref()).await?;
            let mut list = session.out.list(object::COLUMNS);
            let row = |s: &std::sync::Arc<crate::model::state::FileServer>| {
                object::row(s, lists.group_of(s.workspace), lists.workspace_name(s.workspace))
            };
            list.page(lists.file_servers.iter().map(row).collect())?;
            list.end()?;
        }
        Verb::Delete { name, named, force } => {
            let core = session.core().await?;
            let names = named.some(name)?;
            session.confirm(&format!("delete {}", spelled("file server", &names)))?;
            let mut failed = Vec::new();
            for name in &names {
                failed.extend(refusal(delete(session, &core, name, force).await)?);
            }
            return partly(failed, names.len());
        }
    }
    Ok(0)
}

async fn delete(session: &Session, core: &Core, name: &String, force: bool) -> Result<(), Failure> {
    let request = Request::DeleteFileServer { file_server: session.file_server(Some(name)), force };
    if core.act(&format!("delete file server `{name}`"), request).await?.is_some() {
        session.out.note(&format!("file server `{name}` deleted; the files on it stay"));
    }
    Ok(())
}

fn view(reply: Reply) -> Result<std::sync::Arc<FileServerView>, Failure> {
    match reply {
        Reply::FileServer(view) => Ok(view),
        other => Err(unexpected(&other)),
    }
}

async fn create(session: &Session, create: Create) -> Result<i32, Failure> {
    let (source, mut doc) = match &create.file {
        Some(file) => {
            let source = Source::read(file).await?;
            let doc = source.doc()?;
            (source, doc)
        }
        None => (Source::none(), Doc::empty()),
    };
    overlay(&mut doc, &create)?;
    let mut faults = Faults::default();
    let read = FileServerFile::read(&doc, &mut faults);
    source.judge(session.out, faults, &[])?;
    let Some(file) = read else { return Err(Fault::internal("a file server without faults was not read").into()) };
    let Some(name) = create.name.or(create.named).or(file.name) else {
        return Err(Fault::config("the file server has no name").hint("ostler file-server create NAME -f FILE").into());
    };
    check_name(&name).map_err(Fault::config)?;
    let workspace = session.globals.workspace.clone().or(file.workspace).or_else(|| session.context.workspace.clone());
    let request =
        Request::CreateFileServer { workspace: session.within_group(workspace), name: name.clone(), spec: file.spec };
    let core = session.core().await?;
    if let Some(reply) = core.act(&format!("create file server `{name}`"), request).await? {
        let view = view(reply)?;
        session.out.done(&format!("file server `{name}` created"), &name, &object::view_value(&view))?;
    }
    Ok(0)
}

/// Puts the options over what the file says.
fn overlay(doc: &mut Doc, create: &Create) -> Result<(), Fault> {
    let texts: [(&[&str], &Option<String>); 9] = [
        (&["host"], &create.host),
        (&["path"], &create.path),
        (&["export"], &create.export),
        (&["mountOptions"], &create.mount_options),
        (&["publicAddress"], &create.public_address),
        (&["vmSize"], &create.vm_size),
        (&["dataDisks", "cachingType"], &create.caching_type),
        (&["dataDisks", "storageAccountType"], &create.storage_sku),
        (&["subnet", "id"], &create.subnet),
    ];
    for (path, text) in texts {
        if let Some(text) = text {
            doc.put_property(path, Value::Text(text.clone()));
        }
    }
    for (key, number) in [("diskCount", create.disk_count), ("diskSizeInGB", create.disk_size)] {
        if let Some(number) = number {
            doc.put_property(&["dataDisks", key], Value::Number(number.to_string()));
        }
    }
    // As `az batchai` had it.
    let disks = doc.get("properties").unwrap_or(doc).get("dataDisks");
    if create.disk_count.is_some() && disks.is_some_and(|disks| disks.get("storageAccountType").is_none()) {
        doc.put_property(&["dataDisks", "storageAccountType"], Value::Text("Premium_LRS".to_owned()));
    }
    create.account.overlay(doc, &["sshConfiguration", "userAccountSettings"])
}
