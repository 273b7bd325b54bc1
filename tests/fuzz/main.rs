//! Fuzzing on stable Rust, in this process: seeded mutations of a corpus into everything that reads what others wrote. No input may make
//! a reader panic, take for ever, or say something that acts on a terminal.
//!
//! `cargo test --test fuzz` gives each target a bounded number of inputs; `tests/run --long` gives it many more. A finding is
//! written with its bytes and its seed: `SEED=n TARGET=name cargo test --test fuzz` repeats it. What was found once is a file of the
//! corpus or a test of the reader, so that it is tried for ever.

mod mutate;
#[path = "../tables.rs"]
mod tables;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use mutate::Rng;
use targets::{TARGETS, Target};

/// How many inputs a target gets; `FUZZ=n` sets it.
const INPUTS: u64 = 300;
/// How long one input may take in a build without optimisation: readers are linear, and inputs have 64 KiB at most.
const SLOW: Duration = Duration::from_secs(10);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Returns the files of a target's corpus.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in
        [format!("tests/fuzz/corpus/{}", target.name)].iter().map(String::as_str).chain(target.beside.iter().copied())
    {
        let mut files: Vec<_> =
            std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten().map(|e| e.path()).collect();
        files.sort();
        all.extend(
            files.iter().filter(|path| path.is_file()).map(|path| std::fs::read(path).expect("a file of the corpus")),
        );
    }
    assert!(!all.is_empty(), "{} has no corpus", target.name);
    all
}

/// Tries one input; says what is wrong.
fn attempt(target: &Target, bytes: &[u8]) -> Result<(), String> {
    let begun = Instant::now();
    let ran = catch_unwind(AssertUnwindSafe(|| (target.read)(bytes)));
    let took = begun.elapsed();
    match ran {
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            Err(words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
        }
        Ok(()) if took > SLOW => Err(format!("it took {took:?}")),
        Ok(()) => Ok(()),
    }
}

fn run(target: &Target) -> Vec<String> {
    let corpus = corpus(target);
    let mut found = Vec::new();
    let mut tried: u64 = 0;
    let mut note = |seed: Option<u64>, bytes: &[u8], what: String| {
        let kept = std::env::temp_dir().join(format!("ostler-fuzz-{}-{}", target.name, seed.unwrap_or_default()));
        std::fs::write(&kept, bytes).expect("the finding is kept");
        let again = seed.map(|seed| format!("SEED={seed} TARGET={} cargo test --test fuzz", target.name));
        found.push(format!(
            "{}: {what}\n  {} bytes in {}\n  {}",
            target.name,
            bytes.len(),
            kept.display(),
            again.unwrap_or_default()
        ));
    };
    for bytes in &corpus {
        tried += 1;
        if let Err(what) = attempt(target, bytes) {
            note(None, bytes, what);
        }
    }
    let (first, count) = match number("SEED") {
        Some(seed) => (seed, 1),
        None => (number("FUZZ_FROM").unwrap_or(1), number("FUZZ").unwrap_or(INPUTS)),
    };
    let begun = Instant::now();
    for seed in first..first + count {
        let mut rng = Rng::new(seed);
        let bytes = mutate::input(&mut rng, &corpus, target.words);
        tried += 1;
        if let Err(what) = attempt(target, &bytes) {
            note(Some(seed), &bytes, what);
        }
    }
    tables::table(&format!("fuzz {}: {tried} inputs, {} findings, {:.1?}", target.name, found.len(), begun.elapsed()));
    found
}

/// Findings print what they are; what a reader says when it panics would bury that.
fn silent() {
    std::panic::set_hook(Box::new(|_| {}));
}

#[test]
fn no_input_breaks_a_reader() {
    silent();
    let only = std::env::var("TARGET").ok();
    let chosen: Vec<&Target> =
        TARGETS.iter().filter(|target| only.as_deref().is_none_or(|name| name == target.name)).collect();
    assert!(!chosen.is_empty(), "no target of that name");
    let next = std::sync::atomic::AtomicUsize::new(0);
    let found = std::sync::Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            // As much stack as a thread of the runtime has: what needs more would end the program.
            let worker = std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, || {
                while let Some(target) = chosen.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let wrong = run(target);
                    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(wrong);
                }
            });
            worker.expect("a thread");
        }
    });
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let _ = std::panic::take_hook();
    assert!(found.is_empty(), "{} findings; the first:\n{}", found.len(), found[0]);
}

#[test]
fn the_same_seed_gives_the_same_input() {
    let corpus = [b"{\"a\": 1}".to_vec(), b"name: x\n".to_vec()];
    for seed in 1..200 {
        let one = mutate::input(&mut Rng::new(seed), &corpus, &["x"]);
        assert_eq!(one, mutate::input(&mut Rng::new(seed), &corpus, &["x"]), "{seed}");
        assert!(one.len() <= mutate::INPUT_BYTES_MAX);
    }
}
