//! `ostler file-server`: exports that clusters and jobs mount: set up on a host, or there already.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::account::Account;
use super::args::{Named, spelled};
use super::failure::Failure;
use super::fetch::Source;
use super::lists::Lists;
use super::node::{partly, refusal};
use super::objects::file_server as object;
use super::session::{Core, Session, unexpected};
use super::{copy, file};
use crate::model::fault::Fault;
use crate::model::names::check_name;
use crate::model::request::{FileServerView, FilesOf, FolderRef, Place, Reply, Request};
use crate::model::spec::FileServerFile;
use crate::model::spec::doc::{Doc, Place as DocPlace, Value};
use crate::model::spec::fields::Faults;
use crate::model::state::Provisioning;
use crate::model::state::file_server::Space;

/// What can be done with file servers.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Make a file server: export a directory of a host by NFS or sshfs, or take what exists
    ///
    /// With --host the directory is made and exported there, as root by `sudo -n`, after a question that says what will be
    /// done; with --existing, or from a file without `setUp`, nothing is done on the host.
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
    /// List what lies on a file server, one level
    Files {
        /// Its name
        name: String,
        /// A path below its directory
        #[arg(short, long, default_value = ".")]
        path: String,
    },
    /// Get a file or a directory from a file server
    #[command(visible_alias = "download")]
    Get {
        /// Its name
        name: String,
        /// A file or directory below its directory; all of it when absent
        #[arg(short, long, default_value = ".")]
        path: String,
        /// The directory here to put it into; made if it is missing
        #[arg(long, value_name = "DIR", default_value = ".")]
        to: PathBuf,
        /// Replace files that are there and differ
        #[arg(long)]
        force: bool,
    },
    /// Put files and directories on a file server
    #[command(visible_alias = "upload")]
    Put {
        /// Its name
        name: String,
        /// Files and directories of this machine
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// A directory below its own to put them into; made if it is missing
        #[arg(short, long, default_value = ".")]
        path: String,
        /// Replace files that are there and differ
        #[arg(long)]
        force: bool,
    },
    /// Delete a file server, and undo what was set up for it; refused while it is mounted, unless --force. The files stay
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name
        name: Option<String>,
        #[command(flatten)]
        named: Named,
        /// Delete it although it is mounted (what is mounted stays so until it ends), or although its export could not be
        /// undone before
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
    /// The export is there already: nothing is done on the host
    #[arg(long, conflicts_with_all = ["set_up", "login", "allow", "device"])]
    existing: bool,
    /// Set it up on the host; without -f that is so unless --existing is given
    #[arg(long)]
    set_up: bool,
    /// The destination of ssh by which this machine comes to the host [default: --host]
    #[arg(long, value_name = "DEST")]
    login: Option<String>,
    /// Who may mount it: hosts, addresses, networks; several times [default: private networks]
    #[arg(long, value_name = "CLIENT")]
    allow: Vec<String>,
    /// A blank disk of the host; several are joined as one volume, which is mounted at --path
    #[arg(long, value_name = "/dev/DISK")]
    device: Vec<String>,
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
            let place = session.file_server(names.first());
            let view = view(core.ask(Request::ShowFileServer(place.clone())).await?)?;
            let space = space(&core, place, &view).await;
            let facts = object::facts(&view, space);
            session.out.one(&view.file_server.name, &facts, &object::view_value(&view, space))?;
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
        Verb::Files { name, path } => {
            let core = session.core().await?;
            let listing = file::listing(&core, folder(session, &name, &path)).await?;
            let rows = listing.entries.iter().map(|entry| file::row(entry, name.clone(), None));
            file::print(session, false, rows.collect(), &listing)?;
        }
        Verb::Get { name, path, to, force } => {
            let core = session.core().await?;
            return copy::get_from(session, &core, folder(session, &name, &path), &to, force).await;
        }
        Verb::Put { name, files, path, force } => {
            let core = session.core().await?;
            return copy::put_to(session, &core, folder(session, &name, &path), &files, force).await;
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
        gone(core, session.file_server(Some(name))).await?;
        session.out.note(&format!("file server `{name}` deleted; the files on it stay"));
    }
    Ok(())
}

fn folder(session: &Session, name: &String, path: &str) -> FolderRef {
    let of = FilesOf::FileServer(session.file_server(Some(name)));
    FolderRef { of, directory: None, path: file::join(path, ""), node: None }
}

/// How often is looked whether a file server has got further.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Waits until the export of a file server is set up.
///
/// # Errors
/// It could not be.
pub(super) async fn made(core: &Core, mut seen: Arc<FileServerView>) -> Result<Arc<FileServerView>, Failure> {
    let place = Place { workspace: Some(seen.workspace.clone()), name: Some(seen.file_server.name.clone()) };
    loop {
        match seen.file_server.provisioning {
            Provisioning::Creating => {}
            Provisioning::Failed => {
                return Err(refused("set up", &seen).hint("ostler file-server delete NAME -y, and again").into());
            }
            Provisioning::Updating | Provisioning::Succeeded | Provisioning::Deleting => return Ok(seen),
        }
        tokio::time::sleep(LOOK_EVERY).await;
        seen = view(core.ask(Request::ShowFileServer(place.clone())).await?)?;
    }
}

/// Waits until a file server is gone.
async fn gone(core: &Core, place: Place) -> Result<(), Failure> {
    // Once it is gone it is not found.
    while let Ok(reply) = core.ask(Request::ShowFileServer(place.clone())).await {
        let seen = view(reply)?;
        if seen.file_server.provisioning == Provisioning::Failed {
            let fault = refused("undone", &seen);
            return Err(fault.hint("with --force it is forgotten, and what is on its host stays").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn refused(what: &str, seen: &FileServerView) -> Fault {
    let errors = seen.file_server.errors.iter().map(|error| error.message.clone());
    let mut fault = Fault::remote(format!("the export of file server `{}` could not be {what}", seen.file_server.name));
    fault.causes.extend(errors);
    fault
}

/// Asks a server how much room it has now; what it had when it was set up, where it does not answer.
async fn space(core: &Core, place: Place, view: &FileServerView) -> Option<Space> {
    let before = view.file_server.space;
    let asked = view.file_server.spec.managed.is_some() && view.file_server.provisioning == Provisioning::Succeeded;
    if !asked {
        return before;
    }
    match core.ask(Request::FileServerSpace(place)).await {
        Ok(Reply::Ran { code: 0, stdout, .. }) => Space::of_df(&String::from_utf8_lossy(&stdout)).or(before),
        Ok(_) | Err(_) => before,
    }
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
    let acts = file.spec.acts();
    let workspace = session.globals.workspace.clone().or(file.workspace).or_else(|| session.context.workspace.clone());
    let request = Request::CreateFileServer {
        workspace: session.within_group(workspace),
        name: name.clone(),
        spec: Box::new(file.spec),
    };
    let core = session.core().await?;
    if !acts.is_empty() {
        acts.iter().for_each(|act| session.out.note(act));
        session.confirm(&format!("create file server `{name}`"))?;
    }
    if let Some(reply) = core.act(&format!("create file server `{name}`"), request).await? {
        let view = view(reply)?;
        let view = made(&core, view).await?;
        let value = object::view_value(&view, view.file_server.space);
        session.out.done(&format!("file server `{name}` created"), &name, &value)?;
    }
    Ok(0)
}

/// Puts the options over what the file says.
fn overlay(doc: &mut Doc, create: &Create) -> Result<(), Fault> {
    let texts: [(&[&str], &Option<String>); 10] = [
        (&["login"], &create.login),
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
    let by_host = create.file.is_none() && create.host.is_some() && create.export.as_deref() != Some("dir");
    if create.set_up || (by_host && !create.existing) {
        doc.put_property(&["setUp"], Value::Bool(true, "true".to_owned()));
    }
    for (key, words) in [("clients", &create.allow), ("devices", &create.device)] {
        if !words.is_empty() {
            let words = words.iter().map(|word| Doc { place: DocPlace::FLAG, value: Value::Text(word.clone()) });
            doc.put_property(&[key], Value::List(words.collect()));
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
