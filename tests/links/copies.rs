//! Copies of files from and to nodes, in each shell: whole, interrupted and gone on with, and from nodes that lie.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ostler::files::copy::{Order, copy};
use ostler::files::{FilePath, LinkSource};
use ostler::model::task::{CopyWay, Existing, Progress, TaskNews};
use ostler::transport::link::Link;
use ostler::transport::local::LocalLink;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::shells;
use crate::sshd::Host;

/// No copy of these takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a copy came to: its last words, and what was left out.
struct Came {
    last: Result<Progress, String>,
    left_out: Vec<(String, String)>,
    interrupted: usize,
}

fn order(way: CopyWay, root: &Path, name: &str, local: &Path) -> Order {
    Order {
        way,
        remote: FilePath::below(&root.display().to_string(), name).unwrap(),
        whole: "MODEL".to_owned(),
        local: local.display().to_string(),
        existing: Existing::Keep,
    }
}

async fn done(links: impl LinkSource + 'static, order: Order) -> Came {
    let (news, mut heard) = mpsc::channel(4);
    let copying = tokio::spawn(copy(links, order, news));
    let mut came = Came { last: Err("it ended without a word".to_owned()), left_out: Vec::new(), interrupted: 0 };
    let hearing = async {
        while let Some(news) = heard.recv().await {
            match news {
                TaskNews::LeftOut { name, why } => came.left_out.push((name, why)),
                TaskNews::Interrupted { .. } => came.interrupted += 1,
                TaskNews::Copied(progress) => came.last = Ok(progress),
                TaskNews::Failed(fault) => came.last = Err(fault.chain()),
                TaskNews::Progress(_) | TaskNews::Output { .. } | TaskNews::Exited { .. } => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing).await.expect("a copy that ends");
    copying.await.unwrap();
    came.left_out.sort();
    came
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Everything below a directory: path, size, whether it is a link.
fn tree(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap().flatten() {
            let about = entry.path().symlink_metadata().unwrap();
            all.push(entry.path().strip_prefix(dir).unwrap().display().to_string());
            if about.is_dir() {
                open.push(entry.path());
            }
        }
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_comes_whole_and_nothing_else() {
    let node = TempDir::new().unwrap();
    let large = bytes(3_000_017);
    let write = |name: &str, content: &[u8]| fs::write(node.path().join(name), content).unwrap();
    fs::create_dir_all(node.path().join("step 1/deep/empty")).unwrap();
    write("model.bin", &large);
    write("empty", b"");
    write("step 1/it's é.txt", b"text");
    write("step 1/deep/run.sh", b"#!/bin/sh\n");
    fs::set_permissions(node.path().join("step 1/deep/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    write("two\nlines", b"");
    symlink("/etc/passwd", node.path().join("link")).unwrap();
    symlink("/etc", node.path().join("step 1/way out")).unwrap();
    assert!(Command::new("mkfifo").arg(node.path().join("pipe")).status().unwrap().success());
    for shell in shells::all() {
        let here = TempDir::new().unwrap();
        let name = shell.name;
        let came = done(shell.link.clone(), order(CopyWay::Get, node.path(), "", here.path())).await;
        let progress = came.last.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!((progress.files, progress.left_out, progress.kept), ((4, 4), 4, 0), "{name}");
        assert_eq!(progress.bytes, (large.len() as u64 + 14, large.len() as u64 + 14), "{name}");
        assert_eq!(
            came.left_out,
            [
                ("link".to_owned(), "it is a symbolic link".to_owned()),
                ("pipe".to_owned(), "it is a pipe, a socket or a device".to_owned()),
                ("step 1/way out".to_owned(), "it is a symbolic link".to_owned()),
                ("two?lines".to_owned(), "no file here may have this name".to_owned())
            ],
            "{name}"
        );
        let expected = [
            "MODEL",
            "MODEL/empty",
            "MODEL/model.bin",
            "MODEL/step 1",
            "MODEL/step 1/deep",
            "MODEL/step 1/deep/empty",
            "MODEL/step 1/deep/run.sh",
            "MODEL/step 1/it's é.txt",
        ];
        assert_eq!(tree(here.path()), expected, "{name}");
        assert!(fs::read(here.path().join("MODEL/model.bin")).unwrap() == large, "{name}");
        let executable = |name: &str| here.path().join(name).metadata().unwrap().mode() & 0o100 != 0;
        assert!(executable("MODEL/step 1/deep/run.sh") && !executable("MODEL/empty"), "{name}");
        let time = |path: &Path| path.metadata().unwrap().mtime();
        assert_eq!(time(&here.path().join("MODEL/model.bin")), time(&node.path().join("model.bin")), "{name}");
        // Again: what is there is not fetched again; what differs stays, and is said.
        fs::write(here.path().join("MODEL/step 1/it's é.txt"), "mine").unwrap();
        fs::File::open(here.path().join("MODEL/step 1/it's é.txt")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let again = done(shell.link.clone(), order(CopyWay::Get, node.path(), "", here.path())).await;
        let progress = again.last.unwrap();
        assert_eq!((progress.kept, progress.left_out), (large.len() as u64 + 10, 5), "{name}");
        assert_eq!(fs::read(here.path().join("MODEL/step 1/it's é.txt")).unwrap(), b"mine", "{name}");
        // One file by its name.
        let one = done(shell.link, order(CopyWay::Get, node.path(), "step 1/deep/run.sh", here.path())).await;
        assert_eq!(one.last.unwrap().files, (1, 1), "{name}");
        assert_eq!(fs::read(here.path().join("run.sh")).unwrap(), b"#!/bin/sh\n", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_goes_whole_and_nothing_else() {
    let here = TempDir::new().unwrap();
    let top = here.path().join("code");
    let large = bytes(2_500_003);
    fs::create_dir_all(top.join("lib/none")).unwrap();
    fs::write(top.join("train.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(top.join("train.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(top.join("lib/data.bin"), &large).unwrap();
    fs::write(top.join("bad\nname"), "").unwrap();
    symlink("/etc/passwd", top.join("link")).unwrap();
    for shell in shells::all() {
        let node = TempDir::new().unwrap();
        let name = shell.name;
        let came = done(shell.link.clone(), order(CopyWay::Put, node.path(), "in/here", &top)).await;
        let progress = came.last.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!((progress.files, progress.left_out), ((2, 2), 2), "{name}: {:?}", came.left_out);
        let expected = [
            "in",
            "in/here",
            "in/here/code",
            "in/here/code/lib",
            "in/here/code/lib/data.bin",
            "in/here/code/lib/none",
            "in/here/code/train.sh",
        ];
        assert_eq!(tree(node.path()), expected, "{name}");
        assert!(fs::read(node.path().join("in/here/code/lib/data.bin")).unwrap() == large, "{name}");
        assert_ne!(node.path().join("in/here/code/train.sh").metadata().unwrap().mode() & 0o100, 0, "{name}");
        fs::write(node.path().join("in/here/code/train.sh"), "theirs").unwrap();
        let again = done(shell.link.clone(), order(CopyWay::Put, node.path(), "in/here", &top)).await;
        let progress = again.last.unwrap();
        // Without a `cksum` nobody knows that it is the same.
        let same = if name == "busybox alone" { (0, 4) } else { (large.len() as u64, 3) };
        assert_eq!((progress.kept, progress.left_out), same, "{name}: {:?}", again.left_out);
        assert_eq!(fs::read(node.path().join("in/here/code/train.sh")).unwrap(), b"theirs", "{name}");
        let force = Order { existing: Existing::Replace, ..order(CopyWay::Put, node.path(), "in/here", &top) };
        done(shell.link.clone(), force).await.last.unwrap();
        assert_eq!(fs::read(node.path().join("in/here/code/train.sh")).unwrap(), b"#!/bin/sh\n", "{name}");
        // Nothing is written behind a link, and no directory is made where there is none to begin with.
        symlink(here.path(), node.path().join("out")).unwrap();
        let out = done(shell.link.clone(), order(CopyWay::Put, node.path(), "out/x", &top)).await;
        assert!(out.last.is_err() && !here.path().join("x").exists(), "{name}");
        let none = done(shell.link, order(CopyWay::Put, &node.path().join("none"), "", &top)).await;
        assert!(none.last.unwrap_err().contains("there is no file"), "{name}");
        assert!(!node.path().join("none").exists(), "{name}");
    }
}

/// Gives a link whose first channels end in the middle, then one that holds.
struct Flaky {
    cut: Link,
    whole: Link,
    left: AtomicUsize,
}

impl LinkSource for Flaky {
    async fn link(&self) -> Option<Link> {
        let cut = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        Some(if cut { self.cut.clone() } else { self.whole.clone() })
    }
}

fn script(dir: &TempDir, name: &str, text: &str) -> Link {
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    Link::Local(LocalLink::with_shell(&["/bin/sh", &path.display().to_string()]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_link_goes_on_where_it_was() {
    let (node, here, scripts) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let large = bytes(20_000_001);
    fs::write(node.path().join("model.bin"), &large).unwrap();
    let whole = Link::Local(LocalLink::new());
    let cut = script(&scripts, "cut-out", "/bin/sh -c \"$2\" | { dd bs=65536 count=200 2>/dev/null; kill $$; }\n");
    let flaky = Flaky { cut, whole: whole.clone(), left: AtomicUsize::new(2) };
    let came = done(flaky, order(CopyWay::Get, node.path(), "model.bin", here.path())).await;
    let progress = came.last.unwrap();
    assert!(came.interrupted > 0);
    assert!(progress.kept > 1_000_000 && progress.bytes.0 == large.len() as u64, "{progress:?}");
    assert!(fs::read(here.path().join("model.bin")).unwrap() == large);

    let there = TempDir::new().unwrap();
    let cut = script(&scripts, "cut-in", "dd bs=65536 count=200 2>/dev/null | /bin/sh -c \"$2\"\n");
    let flaky = Flaky { cut, whole, left: AtomicUsize::new(1) };
    let came = done(flaky, order(CopyWay::Put, there.path(), "", &here.path().join("model.bin"))).await;
    let progress = came.last.unwrap();
    assert!(progress.kept > 1_000_000 && progress.bytes.0 == large.len() as u64, "{progress:?}");
    assert!(fs::read(there.path().join("model.bin")).unwrap() == large);
    assert_eq!(tree(there.path()), ["model.bin"]);
}

/// What was left by a copy that nobody waited for is used by the next one, if it is the beginning of the same file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_is_checked_before_it_is_kept() {
    let (node, here, scripts) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let large = bytes(20_000_000);
    fs::write(node.path().join("model.bin"), &large).unwrap();
    let cut = script(&scripts, "cut", "/bin/sh -c \"$2\" | { dd bs=65536 count=200 2>/dev/null; cat >/dev/null; }\n");
    let (news, mut heard) = mpsc::channel(4);
    let copying = tokio::spawn(copy(cut, order(CopyWay::Get, node.path(), "model.bin", here.path()), news));
    let begin = std::time::Instant::now();
    let part = loop {
        assert!(begin.elapsed() < PATIENCE, "nothing is written");
        let name = tree(here.path()).pop().filter(|name| here.path().join(name).metadata().unwrap().len() > 1_000_000);
        match name {
            Some(name) => break here.path().join(name),
            None => tokio::task::yield_now().await,
        }
    };
    heard.close();
    tokio::time::timeout(PATIENCE, copying).await.expect("it ends when nobody listens").unwrap();
    // The same length, another beginning.
    let length = part.metadata().unwrap().len();
    fs::write(&part, vec![b'x'; length as usize]).unwrap();
    let came = done(Link::Local(LocalLink::new()), order(CopyWay::Get, node.path(), "model.bin", here.path())).await;
    assert_eq!(came.last.unwrap().kept, 0);
    assert!(fs::read(here.path().join("model.bin")).unwrap() == large);
    assert_eq!(tree(here.path()), ["model.bin"]);
}

/// A node that tells names of its own (T38). Whatever it says, nothing is written but below the target, by the names it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lies_writes_nowhere_else() {
    let base = TempDir::new().unwrap();
    let here = base.path().join("target");
    fs::create_dir(&here).unwrap();
    let outside = base.path().join("outside");
    fs::create_dir(&outside).unwrap();
    // What is there already may be a trap as well.
    fs::create_dir(here.join("MODEL")).unwrap();
    symlink(&outside, here.join("MODEL/trap")).unwrap();
    symlink(outside.join("victim"), here.join("MODEL/file-trap")).unwrap();
    let scripts = TempDir::new().unwrap();
    let long = "n".repeat(300);
    let answers = format!(
        r#"IFS= read -r end
printf '\nOSTLER-DATA 1\n'
while IFS= read -r line; do
case $line in
root*|path*) continue;;
stat) kind=folder; printf '\n%s 1 folder 0\n' "$end"; continue;;
tree*) printf '81a4 4 1 7 %s\n' ./../up ./a/../../up /etc/shadow ./trap/x ./file-trap './a//b' './{long}' ./good ./good/below './.' './..' "./$(printf 'esc\033[2J')"
printf '41ed 0 1 8 ./trap\n6180 0 1 9 ./disk\n'; printf 'odd ./x\n';;
read*) printf 'evil';;
sum*) printf 'evil' | cksum;;
esac
printf '\n%s 7 file 4\n' "$end"
done
"#
    );
    let link = script(&scripts, "liar", &answers);
    let remote = TempDir::new().unwrap();
    let force = Order { existing: Existing::Replace, ..order(CopyWay::Get, remote.path(), "", &here) };
    let came = done(link, force).await;
    let progress = came.last.unwrap();
    assert!(progress.left_out >= 11, "{:?}", came.left_out);
    assert!(
        came.left_out.iter().all(|(name, why)| !format!("{name}{why}").chars().any(char::is_control)),
        "{:?}",
        came.left_out
    );
    assert_eq!(
        tree(base.path()).iter().filter(|name| !name.starts_with("target/MODEL")).collect::<Vec<_>>(),
        ["outside", "target"]
    );
    assert_eq!(fs::read(here.join("MODEL/good")).unwrap(), b"evil");
    assert!(here.join("MODEL/trap").symlink_metadata().unwrap().is_symlink());
    // A link that had the name of a file is replaced, not followed.
    assert_eq!(fs::read(here.join("MODEL/file-trap")).unwrap(), b"evil");
    assert!(!here.join("MODEL/file-trap").symlink_metadata().unwrap().is_symlink());
}

/// A node that never stops sending is cut off at the size that the file has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_sends_too_much_or_too_little_is_not_believed() {
    let scripts = TempDir::new().unwrap();
    for (name, send) in [("more", "printf 'evilevil'"), ("less", "printf 'ev'"), ("other", "printf 'good'")] {
        let here = TempDir::new().unwrap();
        let answers = format!(
            "IFS= read -r end\nprintf '\\nOSTLER-DATA 1\\n'\nwhile IFS= read -r line; do case $line in root*|path*) continue;; \
             about) echo '81a4 4 1 7 ./it';; read*) {send};; sum*) printf 'evil' | cksum;; esac; printf '\\n%s 7 file 4\\n' \"$end\"; done\n"
        );
        let remote = TempDir::new().unwrap();
        let came = done(script(&scripts, name, &answers), order(CopyWay::Get, remote.path(), "f", here.path())).await;
        match came.last {
            Ok(_) => assert_eq!((name, fs::read(here.path().join("f")).unwrap()), ("more", b"evil".to_vec())),
            Err(why) => {
                assert!(why.contains("changes while it is copied"), "{name}: {why}");
                assert!(!here.path().join("f").exists(), "{name}");
            }
        }
    }
}

/// Root may read everything, so the node's program is told that it may not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_read_is_said_and_left_out() {
    let (scripts, node, here) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::create_dir(node.path().join("d")).unwrap();
    for name in ["closed", "open"] {
        fs::write(node.path().join("d").join(name), name).unwrap();
    }
    let parts = [include_str!("../../assets/agent/paths.sh"), include_str!("../../assets/agent/copy.sh")].concat();
    let text = parts.replace("[ ! -r \"$path\" ]", "case $path in */closed) ;; *) false ;; esac");
    // Whoever may not read it gets nothing.
    let text = text.replace("! regular || dd", "case $path in */closed) false ;; esac && dd");
    assert_eq!(text.matches("*/closed").count(), 2);
    let came = done(script(&scripts, "node", &text), order(CopyWay::Get, node.path(), "d", here.path())).await;
    assert_eq!(came.last.unwrap().left_out, 1);
    let [(name, why)] = &came.left_out[..] else { panic!("{:?}", came.left_out) };
    assert!(name == "d/closed" && why.contains("d/closed` may not be read by whoever signs in there"), "{why}");
    assert_eq!(tree(here.path()), ["d", "d/open"]);
    let came = done(script(&scripts, "node", &text), order(CopyWay::Get, node.path(), "d/closed", here.path())).await;
    assert!(came.last.unwrap_err().contains("may not be read"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_ssh_by_a_channel_of_its_own() {
    let Some(host) = Host::start("") else { return };
    let (node, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let large = bytes(20_000_000);
    fs::write(node.path().join("model.bin"), &large).unwrap();
    let link = Link::connect(&host.node("ssh_config")).await.unwrap();
    let begin = std::time::Instant::now();
    done(link.clone(), order(CopyWay::Get, node.path(), "model.bin", here.path())).await.last.unwrap();
    let got = begin.elapsed();
    assert!(fs::read(here.path().join("model.bin")).unwrap() == large);
    let back = TempDir::new().unwrap();
    let begin = std::time::Instant::now();
    done(link.clone(), order(CopyWay::Put, back.path(), "", &here.path().join("model.bin"))).await.last.unwrap();
    println!("20 MB over ssh: {got:?} from, {:?} to the node", begin.elapsed());
    assert!(fs::read(back.path().join("model.bin")).unwrap() == large);
    link.close().await;
}
