//! What a disk does to the store: it fails, it loses what was not synced, and every write may be the last one. The calls of a
//! real writer are watched, and answered wrongly, by `strace`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::crash;
use super::samples::*;

/// Turns that the watched writer commits.
const TURNS: u64 = 8;
/// Power cuts at each moment: the first keeps nothing that was not synced, the second all, the others as chance has it.
const CUTS: u64 = 4;
/// What a disk writes whole.
const SECTOR: usize = 512;

/// A writer under `strace` with further arguments of it; `None` where there is no `strace`, or where it may watch nothing.
fn watched(place: &Path, args: &[&str]) -> Option<Output> {
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|out| out.status.success()) {
        eprintln!("did not run: no strace that may watch here");
        return None;
    }
    let mut strace = Command::new("strace");
    strace.arg("-f").args(args).arg(std::env::current_exe().unwrap());
    strace.args(["--exact", "crash::writes_for_a_while", "--ignored", "--nocapture", "--test-threads", "1"]);
    strace.env(crash::CHILD, place).env(crash::TURNS, TURNS.to_string()).env("RUST_BACKTRACE", "0");
    Some(strace.output().unwrap())
}

fn acknowledged(said: &[u8]) -> u64 {
    let said = String::from_utf8_lossy(said);
    said.lines().filter_map(|line| line.rsplit_once("acked ")?.1.trim().parse().ok()).next_back().unwrap_or(0)
}

/// F47: from some call on the disk only gives errors. The writer says so and stops, and all that was acknowledged is there.
#[test]
fn a_disk_that_fails_ends_it_cleanly() {
    for (call, first) in [("pwrite64", 5), ("pwrite64", 30), ("fdatasync", 3), ("fdatasync", 8), ("pread64", 10)] {
        let place = Place::new();
        let log = place.file().with_extension("strace");
        let fails = format!("inject={call}:error=EIO:when={first}+");
        let Some(output) = watched(&place.file(), &["-o", log.to_str().unwrap(), "-e", &fails]) else { return };
        let acked = acknowledged(&output.stdout);
        let said = String::from_utf8_lossy(&output.stdout);
        let calls = std::fs::read_to_string(&log).unwrap().matches("(INJECTED)").count();
        if calls == 0 {
            assert!(acked == TURNS, "{call} from {first}: it never came to it: {said}");
            continue;
        }
        // A checkpoint that cannot read is put off; what was to be written is in the log.
        if call == "pread64" && acked == TURNS {
            crash::check(&place.file(), acked, &format!("{call} from {first}"));
            continue;
        }
        assert!(acked < TURNS, "{call} from {first}: {calls} calls failed and nobody minded");
        assert!(said.contains("stopped: ") && said.contains("the disk gave an error"), "{call} from {first}: {said}");
        assert!(calls < 40, "{call} from {first}: it did not go on and on: {calls}");
        crash::check(&place.file(), acked, &format!("{call} from {first}"));
    }
}

/// Every write may be the last: killed at each of them in turn.
#[test]
fn killed_at_each_write_it_loses_nothing() {
    let mut tried = 0;
    let mut when = 1;
    loop {
        let place = Place::new();
        let killed = format!("inject=pwrite64,fdatasync,ftruncate:signal=KILL:when={when}");
        let Some(output) = watched(&place.file(), &["-o", "/dev/null", "-e", &killed]) else { return };
        let acked = acknowledged(&output.stdout);
        if place.file().exists() && std::fs::metadata(place.file()).unwrap().len() > 0 {
            crash::check(&place.file(), acked, &format!("killed at {when}"));
        } else {
            assert_eq!(acked, 0);
        }
        if acked == TURNS {
            break;
        }
        tried += 1;
        // The making of the file and the first turns one by one, then in strides: each turn has the same calls.
        when += if when < 60 { 1 } else { 7 };
    }
    super::tables::table(&format!("writes of the store: killed at each of {tried}, nothing acknowledged was lost"));
}

/// A call that changes a file.
enum Call {
    Write { file: PathBuf, at: usize, bytes: Vec<u8> },
    Cut { file: PathBuf, length: usize },
    Sync { file: PathBuf },
    Remove { file: PathBuf },
    Acked(u64),
}

/// F48: the power goes at each moment of a writer's life, and of what was not synced by then some is lost, also in part.
#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let place = Place::new();
    let log = place.file().with_extension("strace");
    let args = ["-y", "-xx", "-s", "100000", "-e", "trace=pwrite64,ftruncate,fdatasync,fsync,unlink,write", "-o"];
    let Some(output) = watched(&place.file(), &[&args[..], &[log.to_str().unwrap()]].concat()) else { return };
    assert_eq!(acknowledged(&output.stdout), TURNS, "{output:?}");
    let calls = calls_of(&std::fs::read_to_string(&log).unwrap(), place.file().parent().unwrap());
    assert!(calls.iter().filter(|call| matches!(call, Call::Sync { .. })).count() as u64 >= TURNS);

    let mut disk = Disk::default();
    let (mut acked, mut cuts) = (0, 0);
    for (moment, call) in calls.into_iter().enumerate() {
        disk.take(&call);
        if let Call::Acked(turn) = call {
            acked = turn;
        }
        for cut in 0..CUTS {
            let after = Place::new();
            disk.after_power_cut(&after.file(), cut, (moment as u64) << 8 | cut);
            if after.file().exists() && std::fs::metadata(after.file()).unwrap().len() > 0 {
                crash::check(&after.file(), acked, &format!("power cut {cut} at moment {moment}"));
            } else {
                assert_eq!(acked, 0, "power cut {cut} at moment {moment}");
            }
            cuts += 1;
        }
    }
    super::tables::table(&format!("power cuts: {cuts}, nothing acknowledged was lost"));
}

/// The files as they are on the disk for certain, and what came since and is not synced.
#[derive(Default)]
struct Disk {
    synced: BTreeMap<PathBuf, Vec<u8>>,
    loose: Vec<(PathBuf, Change)>,
}

enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Cut { length: usize },
}

impl Disk {
    fn take(&mut self, call: &Call) {
        match call {
            Call::Write { file, at, bytes } => {
                self.loose.push((file.clone(), Change::Write { at: *at, bytes: bytes.clone() }))
            }
            Call::Cut { file, length } => self.loose.push((file.clone(), Change::Cut { length: *length })),
            Call::Sync { file } => {
                let (now, later) = std::mem::take(&mut self.loose).into_iter().partition(|(of, _)| of == file);
                self.loose = later;
                let now: Vec<(PathBuf, Change)> = now;
                let content = self.synced.entry(file.clone()).or_default();
                now.iter().for_each(|(_, change)| change.apply(content));
            }
            Call::Remove { file } => {
                self.synced.remove(file);
                self.loose.retain(|(of, _)| of != file);
            }
            Call::Acked(_) => {}
        }
    }

    /// Writes the files as they are found after a power cut, beside `database`.
    fn after_power_cut(&self, database: &Path, cut: u64, seed: u64) {
        let mut chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut keeps = || {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            match cut {
                0 => false,
                1 => true,
                _ => chance.is_multiple_of(2),
            }
        };
        let mut files = self.synced.clone();
        for (file, change) in &self.loose {
            let content = files.entry(file.clone()).or_default();
            match change {
                Change::Cut { .. } if !keeps() => {}
                Change::Cut { .. } => change.apply(content),
                // Sectors in any order.
                Change::Write { at, bytes } => {
                    for (number, sector) in bytes.chunks(SECTOR).enumerate().filter(|_| keeps()) {
                        Change::Write { at: at + number * SECTOR, bytes: sector.to_vec() }.apply(content);
                    }
                }
            }
        }
        for (file, content) in files.into_iter().filter(|(_, content)| !content.is_empty()) {
            let name = file.file_name().unwrap();
            std::fs::write(database.with_file_name(name), content).unwrap();
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Cut { length } => content.resize(*length, 0),
            Self::Write { at, bytes } => {
                if content.len() < at + bytes.len() {
                    content.resize(at + bytes.len(), 0);
                }
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

/// Reads what `strace -f -y -xx` wrote, as far as it is about files in a directory or an acknowledgement.
fn calls_of(log: &str, dir: &Path) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: BTreeMap<String, String> = BTreeMap::new();
    for line in log.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let mut rest = rest.trim_start().to_owned();
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(pid.to_owned(), begin.to_owned());
            continue;
        }
        if rest.starts_with("<... ") {
            let begin = unfinished.remove(pid).unwrap_or_default();
            let end = rest.split_once(" resumed>").map(|(_, end)| end.to_owned()).unwrap_or_default();
            rest = begin + &end;
        }
        calls.extend(call_of(&rest, dir));
    }
    calls
}

/// Reads one call: `pwrite64(3</dir/file>, "\x00…", 4096, 0) = 4096`; the paths come in hexadecimal too.
fn call_of(line: &str, dir: &Path) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    if name == "unlink" {
        let file = PathBuf::from(String::from_utf8(bytes_of(rest.split('"').nth(1)?)).ok()?);
        return file.starts_with(dir).then_some(Call::Remove { file });
    }
    let file = PathBuf::from(String::from_utf8(bytes_of(rest.split_once('<')?.1.split_once('>')?.0)).ok()?);
    let arguments = rest.split_once('>')?.1;
    let ours = file.starts_with(dir) && !file.to_string_lossy().ends_with("-shm");
    match name {
        "write" => {
            let text = String::from_utf8_lossy(&bytes_of(arguments.split('"').nth(1)?)).into_owned();
            Some(Call::Acked(text.rsplit_once("acked ")?.1.trim().parse().ok()?))
        }
        "fdatasync" | "fsync" if ours => Some(Call::Sync { file }),
        "ftruncate" if ours => {
            let length = arguments.trim_start_matches([',', ' ']).split(')').next()?.parse().ok()?;
            Some(Call::Cut { file, length })
        }
        "pwrite64" if ours => {
            let bytes = bytes_of(arguments.split('"').nth(1)?);
            let at = arguments.rsplit_once('"')?.1.split(')').next()?.rsplit_once(", ")?.1.parse().ok()?;
            Some(Call::Write { file, at, bytes })
        }
        _ => None,
    }
}

fn bytes_of(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|two| u8::from_str_radix(&two[..2], 16).expect("two digits")).collect()
}
