//! Following a file: its bytes come as they are written, pushed by the node. Offsets are exact over lost links; a file
//! that was truncated or replaced is said and begun anew; a slow reader is skipped, or the program on the node that sends the
//! file waits for it ([`FollowMode`]). Whoever writes the file waits for nobody.
//!
//! Limits. What a program writes between truncating its file and the node's notice of it may come twice, before and after
//! `Restarted`; a file truncated and grown past its old size within that time cannot be told from one that only grew.
//! After a replacement the old file is read to the size it has when that is noticed, within a second.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::files::talk::{Facts, Kind, Lines};
use crate::files::{FileError, FilePath, LinkSource};
use crate::model::request::{FollowMode, From, LogDelta, Window};
use crate::transport::link::{Channel, Link, LinkError, Traffic};
use crate::transport::ssh::FOLLOWS_MAX;

/// The most bytes of one piece: what a pipe holds.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// How many bytes wait here for a slow reader, above those that wait in its channel, before the node's side is ended or waits.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// How far behind the end a skipped reader goes on, and where one begins that asks for the end, in bytes.
const TAIL_BYTES: u64 = 64 * 1024;
/// How long a new attempt waits after a lost link, growing to the second one; the link itself paces its own reconnects.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// See [`PAUSE_MIN`].
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a channel may take to open before the reader is told that it waits.
const OPENING_MAX: Duration = Duration::from_secs(2);
/// How long the program may take to say what the file is.
const FIRST_WORDS_MAX: Duration = Duration::from_secs(20);
/// How long the last bytes of a file may take that was replaced or whose job has ended.
const LAST_BYTES_MAX: Duration = Duration::from_secs(20);
/// The program that sends a file.
const FOLLOW: &str = concat!(include_str!("../../assets/agent/paths.sh"), include_str!("../../assets/agent/follow.sh"));

/// Follows a file until `ended` is true and all of it was sent, the reader goes away, or there will be no link any more. The last
/// two deltas can be [`LogDelta::Ended`] or [`LogDelta::Failed`]; nothing comes after them.
pub async fn follow<L: LinkSource>(
    links: L,
    path: FilePath,
    (from, mode): (From, FollowMode),
    deltas: mpsc::Sender<LogDelta>,
    ended: watch::Receiver<bool>,
) {
    let reader = deltas.clone();
    let place = Place::Asked(from);
    let following = run(links, Follower { path, deltas, ended, mode, place, skipping: false, said: Said::Nothing });
    tokio::select! {
        () = following => {}
        () = reader.closed() => {}
    }
}

async fn run<L: LinkSource>(links: L, mut follower: Follower) {
    let mut pause = PAUSE_MIN;
    loop {
        let began = Instant::now();
        let next = match links.link().await {
            None => follower.fail(FileError::NoLink).await,
            Some(link) => match follower.open(&link).await {
                Ok(channel) => follower.attend(channel).await,
                Err(error) => follower.interrupted(error.chain()).await,
            },
        };
        if began.elapsed() > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        match next {
            Next::Done => return,
            // Without a pause a file that is truncated all the time would be all that the node does.
            Next::Again if began.elapsed() < PAUSE_MIN => sleep(PAUSE_MIN).await,
            Next::Again => {}
            Next::Lost => {
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// What to do after one channel has ended.
enum Next {
    /// Nothing: all was said.
    Done,
    /// Go on at once with another channel.
    Again,
    /// Go on after a while.
    Lost,
}

/// Where the reader stands.
#[derive(Clone, Copy)]
enum Place {
    /// It wants to begin there.
    Asked(From),
    /// It has all bytes before `at` of the file with this inode.
    At { inode: u64, at: u64 },
}

struct Follower {
    path: FilePath,
    deltas: mpsc::Sender<LogDelta>,
    ended: watch::Receiver<bool>,
    mode: FollowMode,
    place: Place,
    /// The reader was too slow: go on near the end.
    skipping: bool,
    said: Said,
}

/// What was said last while no bytes came; nothing is said twice in a row.
#[derive(PartialEq, Eq)]
enum Said {
    Nothing,
    Waiting,
    Interrupted(String),
}

impl Follower {
    /// Says something. That nobody listens ends the whole elsewhere ([`follow()`]).
    async fn say(&self, delta: LogDelta, next: Next) -> Next {
        let _ = self.deltas.send(delta).await;
        next
    }

    async fn interrupted(&mut self, why: String) -> Next {
        if self.said == Said::Interrupted(why.clone()) {
            return Next::Lost;
        }
        self.said = Said::Interrupted(why.clone());
        self.say(LogDelta::Interrupted { why }, Next::Lost).await
    }

    /// Opens a channel, and says so when it has to wait in line for one.
    async fn open(&mut self, link: &Link) -> Result<Channel, LinkError> {
        let opening = link.open_data(Traffic::Follow, FOLLOW);
        tokio::pin!(opening);
        tokio::select! {
            opened = &mut opening => return opened,
            () = sleep(OPENING_MAX) => {}
        }
        let why = format!("no channel yet; at most {FOLLOWS_MAX} files of a node are followed at once");
        self.interrupted(why).await;
        opening.await
    }

    async fn fail(&self, error: FileError) -> Next {
        self.say(LogDelta::Failed(error.fault()), Next::Done).await
    }

    /// Follows over one channel until it ends.
    async fn attend(&mut self, mut channel: Channel) -> Next {
        let mut out = Lines::new(std::mem::replace(&mut channel.stdout, Box::pin(tokio::io::empty())));
        let facts = match self.first_words(&mut channel, &mut out).await {
            Ok(facts) => facts,
            Err(next) => return next,
        };
        if let Err(error) = facts.regular(&self.path) {
            return self.fail(error).await;
        }
        let at = self.begin(facts).await;
        let asked = format!("{} {}\n", facts.inode, at + 1);
        if channel.stdin.write_all(asked.as_bytes()).await.is_err() || channel.stdin.flush().await.is_err() {
            return self.interrupted("the channel ended".to_owned()).await;
        }
        let err = Lines::new(std::mem::replace(&mut channel.stderr, Box::pin(tokio::io::empty())));
        let pump = Pump { out, err, channel, facts, waiting: Vec::new(), at, end: None, asked: false };
        pump.run(self).await
    }

    /// Waits until the file is there. The error is what to do instead.
    async fn first_words(&mut self, channel: &mut Channel, out: &mut Lines) -> Result<Facts, Next> {
        let over = *self.ended.borrow_and_update();
        let path = format!("{}\n{}\n", self.path.root(), self.path.as_str());
        let handshake = async {
            let _ = channel.stdin.write_all(path.as_bytes()).await;
            let _ = channel.stdin.flush().await;
            out.handshake().await?;
            let lost = |source| FileError::Lost { path: self.path.shown().clone(), source };
            out.line().await.map_err(|error| lost(Some(error)))?.ok_or_else(|| lost(None))
        };
        let mut line = match timeout(FIRST_WORDS_MAX, handshake).await {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => return Err(self.interrupted(error.to_string()).await),
            Err(_) => return Err(self.interrupted("the node's shell does not answer".to_owned()).await),
        };
        if line == "waiting" {
            if over {
                return Err(self.say(LogDelta::Ended, Next::Done).await);
            }
            if self.said != Said::Waiting {
                self.said = Said::Waiting;
                self.say(LogDelta::Waiting, Next::Again).await;
            }
            let more = tokio::select! {
                more = out.line() => more,
                // Whether it is there by now is seen by a fresh look; and when nobody can tell any more, by the link's end.
                Ok(()) = self.ended.changed() => return Err(Next::Again),
            };
            match more {
                Ok(Some(more)) => line = more,
                Ok(None) | Err(_) => return Err(self.interrupted("the link was lost".to_owned()).await),
            }
        }
        match Facts::parse(&line) {
            // It was there and is gone again.
            Some(Facts { kind: Kind::None, .. }) => Err(Next::Lost),
            Some(facts) => Ok(facts),
            None => Err(self.interrupted("the node's answer is not to be understood".to_owned()).await),
        }
    }

    /// Says where it goes on, and what was lost; returns the offset of the next byte.
    async fn begin(&mut self, facts: Facts) -> u64 {
        let (mut at, restarted) = match self.place {
            Place::Asked(From::Start(at)) if at > facts.size => (0, Some(true)),
            Place::Asked(From::Start(at)) => (at, None),
            Place::Asked(From::Before(end)) => (end.min(facts.size).saturating_sub(TAIL_BYTES), None),
            Place::Asked(From::End) => (facts.size.saturating_sub(TAIL_BYTES), None),
            Place::At { inode, .. } if inode != facts.inode => (0, Some(false)),
            Place::At { at, .. } if at > facts.size => (0, Some(true)),
            Place::At { at, .. } => (at, None),
        };
        let mut said = restarted.map(|truncated| LogDelta::Restarted { truncated });
        let tail = facts.size.saturating_sub(TAIL_BYTES);
        if std::mem::take(&mut self.skipping) && tail > at && said.is_none() {
            said = Some(LogDelta::Skipped { from: at, to: tail });
            at = tail;
        }
        self.place = Place::At { inode: facts.inode, at };
        self.said = Said::Nothing;
        if let Some(delta) = said {
            self.say(delta, Next::Again).await;
        }
        at
    }
}

/// Why the file ends at some offset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its job has ended.
    Job,
    /// Another file took its place.
    Moved,
}

/// One channel that sends a file.
struct Pump {
    out: Lines,
    err: Lines,
    channel: Channel,
    facts: Facts,
    /// Bytes that the reader has not taken; they end at `at`.
    waiting: Vec<u8>,
    at: u64,
    /// Where the file ends, why, and until when its last bytes are waited for.
    end: Option<(u64, End, Instant)>,
    /// The size was asked for, as the job has ended.
    asked: bool,
}

/// What happened next.
enum Happened {
    /// So many bytes were appended to those that wait.
    Bytes(usize),
    /// A line on standard error; `None` when there will be no more.
    Word(Option<String>),
    /// A piece was handed over.
    Room,
    JobEnded,
    /// The last bytes did not come in time.
    Late,
}

impl Pump {
    async fn run(mut self, follower: &mut Follower) -> Next {
        let mut words_over = false;
        loop {
            if let Some(next) = self.at_end(follower).await {
                return next;
            }
            let job_over = *follower.ended.borrow();
            if job_over && !self.asked {
                self.asked = true;
                // The answer is a line on standard error; a channel that is gone is noticed by the reads.
                let _ = self.channel.stdin.write_all(b"size\n").await;
                let _ = self.channel.stdin.flush().await;
            }
            let waits = !self.waiting.is_empty();
            // What is not taken from the channel holds up the program at its other end.
            let holds = follower.mode == FollowMode::Every && self.waiting.len() >= WAITING_BYTES_MAX;
            let late = self.end.map(|(_, _, until)| until).filter(|_| !holds);
            let happened = tokio::select! {
                biased;
                // Words first: that a file was truncated is said before its new bytes are sent.
                line = self.err.line(), if !words_over => Happened::Word(line.ok().flatten()),
                Ok(room) = follower.deltas.reserve(), if waits => {
                    room.send(LogDelta::Appended(take_piece(&mut self.waiting, self.at, self.facts)));
                    Happened::Room
                }
                count = self.out.bytes(&mut self.waiting), if !holds => Happened::Bytes(count.unwrap_or(0)),
                Ok(()) = follower.ended.changed(), if !job_over => Happened::JobEnded,
                () = sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => Happened::Late,
            };
            match happened {
                Happened::Bytes(0) => return self.lost(follower).await,
                Happened::Bytes(count) => {
                    self.at += count as u64;
                    if self.waiting.len() > WAITING_BYTES_MAX && follower.mode == FollowMode::Newest {
                        follower.skipping = true;
                        self.flush(follower).await;
                        return Next::Again;
                    }
                }
                Happened::Word(None) => words_over = true,
                Happened::Word(Some(line)) => {
                    if line.contains("file truncated") {
                        let inode = self.facts.inode;
                        self.flush(follower).await;
                        follower.place = Place::At { inode, at: u64::MAX };
                        return Next::Again;
                    }
                    self.heard(&line);
                }
                // The last bytes have their time from when they may come.
                Happened::Room if holds => {
                    self.end = self.end.map(|(size, why, _)| (size, why, Instant::now() + LAST_BYTES_MAX))
                }
                Happened::Room | Happened::JobEnded => {}
                Happened::Late => self.end = self.end.map(|(_, why, until)| (self.at, why, until)),
            }
        }
    }

    /// Says how it goes on when the file's last byte was taken.
    async fn at_end(&mut self, follower: &mut Follower) -> Option<Next> {
        let (size, why, _) = self.end?;
        if self.at < size || !self.waiting.is_empty() {
            return None;
        }
        follower.place = Place::At { inode: self.facts.inode, at: self.at };
        match why {
            End::Job => Some(follower.say(LogDelta::Ended, Next::Done).await),
            End::Moved => Some(Next::Again),
        }
    }

    fn heard(&mut self, line: &str) {
        let (word, number) = line.split_once(' ').unwrap_or((line, ""));
        let Ok(size) = number.parse() else { return };
        let until = Instant::now() + LAST_BYTES_MAX;
        match word {
            "size" => self.end = Some((size, End::Job, until)),
            "moved" => self.end = Some((size, End::Moved, until)),
            // What else a start-up file or `tail` says is of no use here.
            _ => {}
        }
    }

    /// The channel ended of itself.
    async fn lost(self, follower: &mut Follower) -> Next {
        self.flush(follower).await;
        follower.interrupted("the link was lost".to_owned()).await
    }

    /// Hands over what waits; the channel is ended meanwhile.
    async fn flush(self, follower: &mut Follower) {
        let Self { mut waiting, at, facts, channel, out, err, .. } = self;
        drop((channel, out, err));
        follower.place = Place::At { inode: facts.inode, at };
        while !waiting.is_empty() {
            let piece = take_piece(&mut waiting, at, facts);
            follower.say(LogDelta::Appended(piece), Next::Again).await;
        }
    }
}

/// Takes the first of the bytes that wait, which end at `at`.
fn take_piece(waiting: &mut Vec<u8>, at: u64, facts: Facts) -> Window {
    let offset = at - waiting.len() as u64;
    // Copied, so that a short line does not keep a whole buffer, and the buffer stays.
    let bytes: Vec<u8> = waiting.drain(..waiting.len().min(PIECE_BYTES_MAX)).collect();
    Window { offset, bytes, size: facts.size.max(at), inode: facts.inode }
}
