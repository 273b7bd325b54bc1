//! What every command has at hand: options, configuration, context, and the way to the core.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures_util::stream::{self, Stream, StreamExt};

use super::args::Globals;
use super::failure::Failure;
use super::output::Out;
use crate::api::Client;
use crate::config::context::Context;
use crate::config::{Config, Sources, places};
use crate::model::fault::{Fault, FaultCode};
use crate::model::ids::JobId;
use crate::model::request::{JobQuery, JobRef, Place, Reply, Request};
use crate::model::resource_id::ResourceId;

/// What every command has at hand.
pub struct Session {
    /// The options that hold everywhere.
    pub globals: Globals,
    /// The configuration.
    pub config: Config,
    /// Where the state is.
    pub state_dir: PathBuf,
    /// What is meant when nothing is named: options and environment, then what was set.
    pub context: Context,
    /// How to write.
    pub out: Out,
    /// The way to the core once it is open; a core that is hosted here ends with [`Session::close`].
    way: tokio::sync::Mutex<Option<crate::api::host::Session>>,
}

/// How many changes are asked for at once.
const ACTS_AT_ONCE: usize = 256;

/// Everything that a process is started with besides its arguments.
pub type Environment = BTreeMap<String, String>;

impl Session {
    /// Finds the state directory, reads configuration and context.
    ///
    /// # Errors
    /// Faults of the configuration, or that there is no home directory.
    pub fn new(globals: Globals, environment: &Environment, out: Out) -> Result<Self, Failure> {
        let (state_dir, _) = places::state_dir(globals.state_dir.as_deref(), environment)?;
        for note in places::notes(environment) {
            out.warn(&note);
        }
        let config = Config::load(Sources {
            named_file: globals.config.clone(),
            usual_file: places::usual_config_file(),
            environment: environment.clone(),
            ssh_config: globals.ssh_config.clone(),
        })?;
        let kept = Context::read(&state_dir)?;
        let context = Context {
            resource_group: globals.resource_group.clone().or(kept.resource_group),
            workspace: globals.workspace.clone().or(kept.workspace),
            experiment: globals.experiment.clone().or(kept.experiment),
            cluster: globals.cluster.clone().or(kept.cluster),
        };
        Ok(Self { globals, config, state_dir, context, out, way: tokio::sync::Mutex::default() })
    }

    /// Returns the workspace that is meant, with the resource group in front where one is meant.
    pub fn workspace(&self) -> Option<String> {
        self.within_group(self.context.workspace.clone())
    }

    /// Returns the workspace to look in for things of these names: the one that is meant, or all when one of them is a full id.
    pub fn workspace_for<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Option<String> {
        let by_id = names.into_iter().any(|name| ResourceId::is_meant(name));
        if by_id { None } else { self.workspace() }
    }

    /// Puts the resource group that is meant before the name of a workspace.
    pub fn within_group(&self, workspace: Option<String>) -> Option<String> {
        match (&self.context.resource_group, workspace) {
            (Some(group), workspace) => Some(format!("{group}/{}", workspace.unwrap_or_default())),
            (None, workspace) => workspace,
        }
    }

    /// Returns the file server that is meant.
    pub fn file_server(&self, name: Option<&String>) -> Place {
        Place { workspace: self.workspace(), name: name.cloned() }
    }

    /// Returns the cluster that is meant: the named one, else that of the context.
    pub fn cluster(&self, named: Option<&String>) -> Place {
        let name = named.or(self.context.cluster.as_ref());
        Place { workspace: self.workspace(), name: name.cloned() }
    }

    /// Returns the experiment that is meant.
    pub fn experiment(&self, named: Option<&String>) -> Place {
        let name = named.or(self.context.experiment.as_ref());
        Place { workspace: self.workspace(), name: name.cloned() }
    }

    /// Returns the job that a word names: `job-12`, or a name within the experiment.
    pub fn job(&self, word: &str) -> JobRef {
        match word.strip_prefix("job-").and_then(|number| number.parse().ok()) {
            Some(number) => JobRef::Id(JobId(number)),
            None => JobRef::Named { experiment: self.experiment(None), job: word.to_owned() },
        }
    }

    /// Returns a query for the jobs of the context.
    pub fn query(&self) -> JobQuery {
        JobQuery { workspace: self.workspace(), experiment: self.context.experiment.clone(), ..JobQuery::default() }
    }

    /// Asks the person before something that cannot be taken back.
    ///
    /// # Errors
    /// That the answer is no, or that nobody can be asked.
    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        use std::io::{BufRead, IsTerminal, Write};
        if self.globals.yes || self.globals.dry_run {
            return Ok(());
        }
        let stdin = std::io::stdin();
        let mut err = std::io::stderr();
        if !stdin.is_terminal() || !err.is_terminal() {
            return Err(Fault::config(format!("{question} needs a yes, and there is nobody to ask"))
                .code(FaultCode::ConfirmationRequired)
                .hint("add -y")
                .into());
        }
        let _ = write!(err, "{question}? [y/N] ");
        let _ = err.flush();
        let mut answer = String::new();
        let read = stdin.lock().read_line(&mut answer);
        match (read, answer.trim().to_ascii_lowercase().as_str()) {
            (Ok(_), "y" | "yes") => Ok(()),
            (_, _) => Err(Fault::user("not done").code(FaultCode::Refused).into()),
        }
    }

    /// Opens the way to the core.
    ///
    /// # Errors
    /// That it cannot be reached or started.
    pub async fn core(&self) -> Result<Core, Failure> {
        let way = super::host::open(self).await?;
        let client = way.client();
        *self.way.lock().await = Some(way);
        Ok(Core { client, readonly: self.globals.readonly, dry_run: self.globals.dry_run, out: self.out })
    }

    /// Ends what was opened, in order.
    ///
    /// # Errors
    /// What a core that was hosted here ended with.
    pub async fn close(&self) -> Result<(), Failure> {
        match self.way.lock().await.take() {
            Some(way) => Ok(way.close().await?),
            None => Ok(()),
        }
    }
}

/// The way to the core, with the two promises that hold for all commands: `--readonly` and `--dry-run`.
pub struct Core {
    client: Client,
    readonly: bool,
    dry_run: bool,
    out: Out,
}

impl Core {
    /// Asks for something that changes nothing.
    ///
    /// # Errors
    /// The core's refusal.
    pub async fn ask(&self, request: Request) -> Result<Reply, Failure> {
        Ok(self.client.request(request).await?)
    }

    /// Asks for a change. `sentence` says it in the infinitive: `create workspace lab`. `None` when it was only to be said.
    ///
    /// # Errors
    /// The core's refusal, or that changes are not wanted.
    pub async fn act(&self, sentence: &str, request: Request) -> Result<Option<Reply>, Failure> {
        if self.readonly {
            return Err(Fault::user(format!("`--readonly`: will not {sentence}")).code(FaultCode::Refused).into());
        }
        if self.dry_run {
            self.out.note(&format!("would {sentence}"));
            return Ok(None);
        }
        let reply = self.client.request(request).await?;
        if let Reply::Accepted { note: Some(note) } = &reply {
            self.out.note(note);
        }
        Ok(Some(reply))
    }

    /// Asks for many changes as [`Core::act`] does, some hundreds of them at a time, so that they share the core's turns and commits
    /// (one after another 10,000 took 40 s). The answers come in order.
    pub fn act_on_all(
        &self,
        changes: impl Iterator<Item = (String, Request)>,
    ) -> impl Stream<Item = Result<Option<Reply>, Failure>> {
        let asked = changes.map(move |(sentence, request)| async move { self.act(&sentence, request).await });
        stream::iter(asked).buffered(ACTS_AT_ONCE)
    }

    /// Says whether a change that is no request may be made; `sentence` is as for [`Core::act`].
    ///
    /// # Errors
    /// That changes are not wanted.
    pub fn may(&self, sentence: &str) -> Result<bool, Failure> {
        if self.readonly {
            return Err(Fault::user(format!("`--readonly`: will not {sentence}")).into());
        }
        if self.dry_run {
            self.out.note(&format!("would {sentence}"));
        }
        Ok(!self.dry_run)
    }

    /// Returns the client itself, for followers of logs.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// The fault when the core answers with something that was not asked for.
pub fn unexpected(reply: &Reply) -> Failure {
    let text = format!("{reply:?}");
    let word = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    Fault::internal(format!("the core answered with `{word}`, which was not asked for")).into()
}
