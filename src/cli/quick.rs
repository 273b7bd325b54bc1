//! Quick options of `cluster create` and `job create`, as `az batchai` has them: one file share, one blob container, one file
//! server, and the storage account that is meant where a file names none.

use clap::Args;

use super::session::Session;
use crate::model::fault::Fault;
use crate::model::spec::doc::Doc;
use crate::model::spec::fields::Faults;
use crate::model::spec::patch::{ACCOUNT_VARIABLE, KEY_VARIABLE, QuickMounts, Storage, StorageKey, Whose, patch};
use crate::model::spec::secret::SecretText;

/// The options.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Mounts")]
pub struct Quick {
    /// Both of auto storage are mounted; an option of clusters alone.
    #[arg(skip)]
    auto: bool,
    /// A file share of the storage account to mount
    #[arg(long, value_name = "SHARE")]
    afs_name: Option<String>,
    /// Where it is mounted, below the mount root
    #[arg(long, value_name = "PATH", default_value = "afs", requires = "afs_name")]
    afs_mount_path: String,
    /// A blob container of the storage account to mount
    #[arg(long, value_name = "CONTAINER")]
    bfs_name: Option<String>,
    /// Where it is mounted, below the mount root
    #[arg(long, value_name = "PATH", default_value = "bfs", requires = "bfs_name")]
    bfs_mount_path: String,
    /// A file server to mount: its name, or its full id in another workspace
    #[arg(long, value_name = "SERVER")]
    nfs: Option<String>,
    /// Where it is mounted, below the mount root
    #[arg(long, value_name = "PATH", default_value = "nfs", requires = "nfs")]
    nfs_mount_path: String,
    /// The storage account where the file names none [env: AZURE_BATCHAI_STORAGE_ACCOUNT]
    #[arg(long, value_name = "NAME")]
    storage_account_name: Option<String>,
    /// Its key, as env:VAR, file:PATH or cmd:COMMAND, never the value itself [env: AZURE_BATCHAI_STORAGE_KEY]
    #[arg(long, value_name = "SOURCE")]
    storage_account_key: Option<String>,
}

impl Quick {
    /// Returns the options with auto storage, or without it.
    pub fn with_auto(self, auto: bool) -> Self {
        Self { auto, ..self }
    }

    /// Puts what the options, the environment and the configuration say into a file's tree.
    ///
    /// # Errors
    /// A key that is given as it is.
    pub fn patch(&self, session: &Session, doc: &mut Doc, whose: Whose, faults: &mut Faults) -> Result<(), Fault> {
        let mount = |name: &Option<String>, path: &String| name.clone().map(|name| (name, path.clone()));
        let quick = QuickMounts {
            share: mount(&self.afs_name, &self.afs_mount_path),
            container: mount(&self.bfs_name, &self.bfs_mount_path),
            server: mount(&self.nfs, &self.nfs_mount_path),
            auto: self.auto,
        };
        let storage = Storage { account: self.account(session), key: self.key()? };
        patch(doc, whose, &storage, &quick, faults);
        Ok(())
    }

    fn account(&self, session: &Session) -> Option<String> {
        let of_config = || {
            let mut accounts = session.config.settings.storage_accounts.keys();
            accounts.next().filter(|_| accounts.next().is_none()).cloned()
        };
        self.storage_account_name.clone().or_else(|| variable(ACCOUNT_VARIABLE)).or_else(of_config)
    }

    fn key(&self) -> Result<Option<StorageKey>, Fault> {
        let Some(text) = &self.storage_account_key else {
            return Ok(variable(KEY_VARIABLE).map(|key| StorageKey::Value(SecretText::new(key))));
        };
        let forms = [("env:", "fromEnv"), ("file:", "fromFile"), ("cmd:", "fromCommand")];
        let found = forms.iter().find_map(|(start, form)| Some((*form, text.strip_prefix(start)?)));
        match found {
            Some((form, value)) if !value.is_empty() => Ok(Some(StorageKey::From(form, value.to_owned()))),
            Some(_) | None => Err(Fault::config("--storage-account-key takes env:VAR, file:PATH or cmd:COMMAND")
                .cause("a key on a command line can be read by every user of the machine")
                .hint(format!("set {KEY_VARIABLE}, or --storage-account-key file:PATH"))),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
