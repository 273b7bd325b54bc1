//! Brings the code of jobs to a node: an archive goes over a channel of its own once, and stays there under its digest for all
//! jobs that want it. It has its name only when it is whole, its sum checked on the node and it can no longer be changed; a link
//! that is cut in the middle leaves nothing that anybody takes for it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::files::LinkSource;
use crate::files::talk::Lines;
use crate::model::shown::Shown;
use crate::model::spec::code::Digest;
use crate::transport::link::Traffic;

/// The program.
const CODE: &str = include_str!("../../assets/agent/code.sh");
/// How many snapshots that no live job wants stay on a node, the ones that were used last: what a person goes back to.
pub const SPARE: u32 = 4;
/// How long the program may take to start, and a step of it to be answered.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long a piece may take to go: longer than a hiccup of the network.
const PIECE_MAX: Duration = Duration::from_secs(60);
/// A node that checks and unpacks fewer bytes a second is none: small files on a slow network file system.
const UNPACKED_PER_SECOND: u64 = 1_000_000;
/// How many bytes go at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What is to be on a node.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The absolute path of the node's spool.
    pub root: String,
    /// What it is called.
    pub digest: Digest,
    /// The archive here.
    pub archive: PathBuf,
    /// What live jobs want beside it.
    pub needed: Vec<Digest>,
}

/// Why it is not there.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// The link was lost, or the node does not answer: it may do so later.
    #[error("the node stopped answering while the code was sent: {0}")]
    Lost(String),
    /// The node cannot have it.
    #[error("the node cannot keep the code: {0}")]
    Refused(Shown),
    /// It is not here any more.
    #[error("the code {digest} is not kept here any more")]
    Gone { digest: String, source: std::io::Error },
}

/// Makes sure that a snapshot is on a node. Returns all that are there then.
///
/// # Errors
/// Why it is not; nothing half is left that could be taken for it.
pub async fn ship<L: LinkSource>(links: &L, parcel: &Parcel) -> Result<BTreeSet<Digest>, ShipError> {
    let lost = |why: &str| ShipError::Lost(why.to_owned());
    let broke = |error: std::io::Error| ShipError::Lost(error.to_string());
    let gone = |source| ShipError::Gone { digest: parcel.digest.short().to_owned(), source };
    let mut file = tokio::fs::File::open(&parcel.archive).await.map_err(gone)?;
    let size = file.metadata().await.map_err(gone)?.len();
    let link = links.link().await.ok_or_else(|| lost("it has no link"))?;
    let channel = link.open_data(Traffic::Copy, CODE).await.map_err(|error| ShipError::Lost(error.chain()))?;
    let (mut stdin, guard) = (channel.stdin, channel.guard);
    let mut from = Lines::new(channel.stdout);
    let mut head = format!("{}\n{}\n{size}\n{SPARE}\n", parcel.root, parcel.digest);
    parcel.needed.iter().for_each(|digest| head.push_str(&format!("{digest}\n")));
    head.push('\n');
    let first = async {
        // If it cannot be written, the program's silence says more than this error.
        let _ = stdin.write_all(head.as_bytes()).await;
        let _ = stdin.flush().await;
        from.handshake().await
    };
    let shaken = timeout(ANSWER_MAX, first).await.map_err(|_| lost("nothing"))?;
    shaken.map_err(|error| ShipError::Lost(error.to_string()))?;
    let mut line = answer(&mut from, ANSWER_MAX).await?;
    if line == "send" {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let got = file.read(&mut piece).await.map_err(gone)?;
            if got == 0 {
                break;
            }
            let wrote = timeout(PIECE_MAX, stdin.write_all(&piece[..got])).await;
            match wrote.map_err(|_| lost("it takes no more bytes"))? {
                Ok(()) => {}
                // It may have said why it ended.
                Err(_) => break,
            }
        }
        let _ = stdin.shutdown().await;
        drop(stdin);
        line = answer(&mut from, ANSWER_MAX + Duration::from_secs(size / UNPACKED_PER_SECOND)).await?;
    }
    drop(guard);
    match line.split_once(' ') {
        Some(("fail", why)) => Err(ShipError::Refused(Shown::new(why))),
        Some(("there", all)) => {
            let all: BTreeSet<Digest> = all.split(' ').filter_map(|digest| digest.parse().ok()).collect();
            if all.contains(&parcel.digest) { Ok(all) } else { Err(broke(std::io::Error::other("it is not there"))) }
        }
        Some(_) | None => Err(ShipError::Lost(format!("it said `{}`", Shown::new(&line)))),
    }
}

async fn answer(from: &mut Lines, most: Duration) -> Result<String, ShipError> {
    match timeout(most, from.line()).await {
        Ok(Ok(Some(line))) => Ok(line),
        Ok(Ok(None)) => Err(ShipError::Lost("the channel ended".to_owned())),
        Ok(Err(error)) => Err(ShipError::Lost(error.to_string())),
        Err(_) => Err(ShipError::Lost(format!("no answer within {} s", most.as_secs()))),
    }
}
