//! Where the state may lie: a directory of ours on a disk of this machine, with room.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use super::StoreError;
use super::fault::refused;
use crate::model::units::Bytes;

/// The least room for a start: the WAL may reach 4 MiB before its first checkpoint, which then writes as much again.
pub(super) const ROOM_MIN: Bytes = Bytes(16 << 20);

/// File systems on which locks or shared memory do not hold between machines, by the `f_type` of statfs(2) (Linux
/// `include/uapi/linux/magic.h` and the sources of Lustre, GPFS and BeeGFS).
const NETWORK_FILE_SYSTEMS: [(u64, &str); 12] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
];
const FUSE: u64 = 0x6573_5546;
/// FUSE file systems that reach over the network; others (ntfs-3g, gocryptfs …) are local disks.
const NETWORK_FUSE: [&str; 9] = ["sshfs", "s3fs", "gcsfuse", "rclone", "glusterfs", "ceph", "juicefs", "blobfuse", "davfs"];

/// Makes the state directory with mode 700 unless it is there, and checks that it can hold our state: ours, not
/// writable by others, on a local disk.
///
/// # Errors
/// What is wrong with it, as a refusal.
pub fn prepare_state_dir(dir: &Path) -> Result<(), StoreError> {
    if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(refused(dir, format!("cannot be made: {error}"), "choose another one with --state-dir"));
    }
    let meta = fs::metadata(dir).map_err(|e| refused(dir, format!("cannot be read: {e}"), "check its permissions"))?;
    if !meta.is_dir() {
        return Err(refused(dir, "is not a directory", "choose another one with --state-dir"));
    }
    let us = rustix::process::geteuid().as_raw();
    if meta.uid() != us {
        return Err(refused(
            dir,
            format!("belongs to uid {}, and this is uid {us}", meta.uid()),
            "choose another one with --state-dir",
        ));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(refused(
            dir,
            format!("others can write there (mode {:o})", meta.mode() & 0o7777),
            format!("chmod go-w '{}'", dir.display()),
        ));
    }
    check_local(dir)
}

/// Refuses a directory on a network file system.
pub(super) fn check_local(dir: &Path) -> Result<(), StoreError> {
    let stat =
        rustix::fs::statfs(dir).map_err(|e| refused(dir, format!("cannot be examined: {e}"), "check its permissions"))?;
    // The type is signed on some machines; the magic numbers are 32 bits wide on all.
    let magic = u64::from(stat.f_type as u32);
    let name = match NETWORK_FILE_SYSTEMS.iter().find(|(of, _)| *of == magic) {
        Some((_, name)) => Some((*name).to_owned()),
        None if magic == FUSE => fuse_name(dir).filter(|name| NETWORK_FUSE.iter().any(|n| name.starts_with(n))),
        None => None,
    };
    match name {
        Some(name) => Err(refused(
            dir,
            format!("is on {name}; SQLite's locks are not safe there"),
            "choose a directory on a local disk with --state-dir",
        )),
        None => Ok(()),
    }
}

/// Returns the name behind `fuse.` of the file system that holds `dir`, from proc_pid_mountinfo(5).
fn fuse_name(dir: &Path) -> Option<String> {
    let dev = fs::metadata(dir).ok()?.dev();
    let number = format!("{}:{}", rustix::fs::major(dev), rustix::fs::minor(dev));
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = table.lines().find(|line| line.split(' ').nth(2) == Some(number.as_str()))?;
    let kind = line.split_once(" - ")?.1.split(' ').next()?;
    kind.strip_prefix("fuse.").map(str::to_owned)
}

/// Refuses a directory whose disk is all but full.
pub(super) fn check_room(dir: &Path) -> Result<(), StoreError> {
    let stat =
        rustix::fs::statvfs(dir).map_err(|e| refused(dir, format!("cannot be examined: {e}"), "check its permissions"))?;
    let free = Bytes(stat.f_bavail.saturating_mul(stat.f_frsize));
    if free < ROOM_MIN {
        return Err(refused(dir, format!("no space left: {free} free, {ROOM_MIN} needed"), "make room on that disk"));
    }
    Ok(())
}
