//! Scaling with the program ended at each of its steps: machines come from a hook that keeps a ledger, and are hosts that
//! cannot be reached, so that only getting and giving back happens. Nothing is bought twice, and nothing is forgotten.

use std::path::Path;

use super::{Visit, host};

/// Keeps machines as files; one tag buys one machine and no more, whoever asks, only because the core looks first.
const HOOK: &str = r#"
cd "$1" || exit 1
case $2 in
acquire)
    n=${OSTLER_TAG##*-}; echo "$OSTLER_TAG" >> bought
    echo "$OSTLER_TAG" > "m-$n"
    echo "{\"machine\": {\"id\": \"m-$n\", \"host\": \"nowhere-$n\"}}" ;;
release) rm -f "$OSTLER_MACHINE" ;;
list)
    sep=; printf '{"machines": ['
    for m in m-*; do
        [ -e "$m" ] || continue
        printf '%s{"id": "%s", "tag": "%s", "host": "nowhere-%s"}' "$sep" "$m" "$(cat "$m")" "${m#m-}"; sep=,
    done
    printf ']}' ;;
esac
"#;

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Runs a visit with a crash in it; says whether the point was passed that often.
fn crashed(point: &str, pass: u32) -> bool {
    let visit = Visit { dir: tempfile::tempdir().unwrap(), case: format!("{point}:{pass}") };
    let cloud = visit.dir.path().join("cloud");
    std::fs::create_dir(&cloud).unwrap();
    std::fs::write(cloud.join("bought"), "").unwrap();
    let script = visit.dir.path().join("hook.sh");
    std::fs::write(&script, HOOK).unwrap();
    let hooks = format!("sh {} {}", script.display(), cloud.display());
    let machines = || std::fs::read_dir(&cloud).unwrap().flatten().filter(|e| e.file_name() != "bought").count();

    let mut host = host(&visit, &visit.case);
    visit.insist(&["workspace", "create", "w"]);
    visit.insist(&["cluster", "create", "c", "--hooks", &hooks, "--target", "2"]);
    let nodes = || {
        let (code, out, _) = visit.run(&["cluster", "show", "c", "-o", "json"]);
        (code == 0).then(|| serde_json::from_str::<serde_json::Value>(&out).unwrap()["nodes"].as_array().unwrap().len())
    };
    visit.until("two machines are nodes", || {
        let named = || {
            let (code, out, _) = visit.run(&["cluster", "node", "list", "-o", "name"]);
            code == 0 && out.lines().filter(|line| line.starts_with("m-")).count() == 2
        };
        // To ask brings back a core that has died.
        (nodes() == Some(2) && machines() == 2 && named()).then_some(())
    });
    visit.insist(&["cluster", "scale", "c", "0", "-y"]);
    visit.until("no machine is left", || (nodes() == Some(0) && machines() == 0).then_some(()));
    let bought = lines(&cloud.join("bought"));
    let mut tags = bought.clone();
    tags.sort();
    tags.dedup();
    assert_eq!((bought.len(), tags.len()), (2, 2), "{}: {bought:?}", visit.case);
    let crashed = host.try_wait().unwrap().is_some();
    visit.run(&["serve", "--stop"]);
    host.wait().unwrap();
    crashed
}

fn at_every_pass_of(point: &str, least: usize) {
    let passes = (1..=super::PASSES_MAX).take_while(|pass| crashed(point, *pass)).count();
    assert!(passes >= least, "{point} was passed {passes} times");
    println!("{point}: {passes} crashes");
}

#[test]
fn before_and_after_a_machine_is_got() {
    at_every_pass_of("acquire.due", 2);
    at_every_pass_of("acquire.done", 2);
}

#[test]
fn before_and_after_a_machine_is_given_back() {
    at_every_pass_of("release.due", 2);
    at_every_pass_of("release.done", 2);
}

#[test]
fn between_every_commit_of_scaling_and_its_acts() {
    at_every_pass_of("turn-committed", 5);
}
