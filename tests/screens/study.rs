//! Metrics on the screen: the table of an experiment, curves, dots and parallel coordinates, and a job's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use ostler::commands::{Cmd, CommandId};
use ostler::model::ids::*;
use ostler::model::metric::{JobMetrics, Point, Stat};
use ostler::model::request::{Reply, Request};
use ostler::model::snapshot::Change;
use ostler::model::state::{Job, SweepMember};
use ostler::model::units::{Millis, UnixMillis};
use ostler::tui::msg::Msg;
use ostler::tui::pane::UiEffect;
use serde_json::json;

use crate::screen::Screen;
use crate::world::{NOW, ago, cluster, ended, experiment, job, running, update, workspace};

/// A member of a sweep over `lr` and `batch`.
fn member(id: u64) -> Job {
    let lr = [0.3, 0.1, 0.03, 0.01, 0.003, 0.001][(id as usize - 1) % 6];
    let batch = [32, 64][(id as usize - 1) / 6 % 2];
    let mut job = job(id, 1, 1, &format!("run-{id:03}"));
    job.spec = Arc::new(ostler::model::spec::JobSpec::command("python3 train.py".to_owned()));
    let parameters = vec![("lr".to_owned(), json!(lr)), ("batch".to_owned(), json!(batch))];
    job.sweep = Some(Box::new(SweepMember {
        of: SweepId(1),
        name: "lr".to_owned(),
        index: id as u32 - 1,
        parameters,
        running_max: None,
    }));
    match id {
        12 => running(job, 1, "gpu-1", 724),
        9 => ended(job, 137, 50),
        _ => ended(job, 0, 50 + id * 7),
    }
}

/// What a member reports: a loss that falls the faster the larger `lr`, and never a number for the largest.
pub fn report(id: u64, step: u64) -> Vec<(&'static str, f64)> {
    let lr = [0.3, 0.1, 0.03, 0.01, 0.003, 0.001][(id as usize - 1) % 6];
    let batch = [32.0, 64.0][(id as usize - 1) / 6 % 2];
    let loss = if lr > 0.2 && step > 600 { f64::NAN } else { 2.3 * (-lr * step as f64 / 10.0).exp() + batch / 800.0 };
    vec![("loss", loss), ("acc", 1.0 - loss / 2.4)]
}

/// Answers as the core would.
fn metrics(id: JobId, curves: &[String]) -> JobMetrics {
    let mut found: BTreeMap<&str, (Stat, Vec<Point>)> = BTreeMap::new();
    if id.0 != 9 {
        for step in (0..=1000).step_by(20) {
            for (name, value) in report(id.0, step) {
                let (stat, points) = found.entry(name).or_insert_with(|| (Stat::new(name), Vec::new()));
                stat.add(Some(step as f64), value);
                points.push(Point { at: UnixMillis(NOW.0 - 600_000 + step as i64 * 500), step: step as f64, value });
            }
        }
    }
    let mut metrics = JobMetrics { complete: id.0 != 12, ..JobMetrics::default() };
    // As they are first said: the loss, then the rest.
    for name in ["loss", "acc"] {
        if let Some((stat, points)) = found.remove(name).filter(|_| curves.is_empty() || curves.iter().any(|c| c == name)) {
            metrics.stats.push(stat);
            if !curves.is_empty() {
                metrics.curves.push(points);
            }
        }
    }
    metrics
}

/// Answers all questions for metrics until none is left; returns which were asked.
pub fn answer(screen: &mut Screen) -> Vec<(Vec<JobId>, Vec<String>)> {
    let mut all = Vec::new();
    loop {
        let asked = std::mem::take(&mut screen.asked);
        let mut any = false;
        for effect in asked {
            if let UiEffect::Write(file, text) = &effect {
                screen.written.push((file.clone(), String::from_utf8_lossy(text).into_owned()));
            }
            if let UiEffect::Ask(ticket, Request::Metrics { jobs, curves }) = effect {
                any = true;
                let found = jobs.iter().map(|id| (*id, metrics(*id, &curves))).collect();
                all.push((jobs, curves));
                screen.tell(Msg::Reply(ticket, Box::new(Ok(Reply::Metrics(found)))));
            }
        }
        if !any {
            return all;
        }
    }
}

/// A study of twelve jobs, with the experiment selected and the keys in the detail pane.
pub fn study(width: u16, height: u16, ascii: bool) -> Screen {
    let mut screen = Screen::with(width, height, |look| look.ascii = ascii);
    let mut lr = experiment(1, "mnist-lr");
    lr.tally.succeeded = 10;
    lr.tally.failed = 1;
    lr.tally.running = 1;
    lr.created = ago(4000);
    let mut changes = vec![
        Change::Workspace(Arc::new(workspace(1, "prod"))),
        Change::Cluster(Arc::new(cluster(1, "gpu-a100", 4))),
        Change::Experiment(Arc::new(lr)),
    ];
    changes.extend((1..=12).map(|id| Change::Job(Arc::new(member(id)))));
    screen.tell(update(1, true, changes));
    screen.keys(": \"mnist-lr\" enter tab");
    answer(&mut screen);
    screen.keys("g");
    answer(&mut screen);
    screen
}

/// Names that are wide, combining, of both directions, or far too long.
const ODD: [&str; 6] =
    ["训练-学习率", "e\u{301}\u{301}\u{301}-zalgo", "\u{202e}דגם-שפה", "👩‍👩‍👧‍👦-family", "a\u{200b}b\u{7}c", "ＷＩＤＥ"];

/// A study whose jobs, experiment and parameters have such names.
pub fn odd_study(width: u16, height: u16, ascii: bool) -> Screen {
    let mut screen = Screen::with(width, height, |look| look.ascii = ascii);
    let mut lr = experiment(1, ODD[0]);
    lr.tally.succeeded = 12;
    let mut changes = vec![
        Change::Workspace(Arc::new(workspace(1, ODD[2]))),
        Change::Cluster(Arc::new(cluster(1, ODD[3], 4))),
        Change::Experiment(Arc::new(lr)),
    ];
    changes.extend((1..=12).map(|id| {
        let mut job = member(id);
        job.name = format!("{}{}", ODD[id as usize % 6], "x".repeat(id as usize * id as usize)).into();
        if let Some(sweep) = &mut job.sweep {
            sweep.parameters.push((ODD[1].to_owned(), json!(ODD[id as usize % 5])));
        }
        Change::Job(Arc::new(job))
    }));
    screen.tell(update(1, true, changes));
    screen.keys(&format!(": \"{}\" enter tab", "x".repeat(144)));
    answer(&mut screen);
    screen.keys("[ ]");
    answer(&mut screen);
    screen
}

/// The lines of the detail pane, without the rest of the screen.
fn line<'a>(text: &'a str, with: &str) -> &'a str {
    text.lines().find(|line| line.contains(with)).unwrap_or_else(|| panic!("no line with {with}\n{text}"))
}

#[test]
fn a_table_of_parameters_and_metrics() {
    for (width, height) in [(120, 40), (80, 24)] {
        let screen = study(width, height, false);
        insta::assert_snapshot!(format!("study_table_{width}x{height}"), screen.text());
    }
}

#[test]
fn the_table_is_sorted_by_a_metric_and_what_has_none_is_last() {
    let mut screen = study(120, 40, false);
    let order = |screen: &Screen| -> Vec<String> {
        let text = screen.text();
        let all = text.lines().filter_map(|line| {
            let at = line.find("│ run-").or_else(|| line.find("▌run-"))?;
            Some(line[at..].trim_start_matches(['│', ' ', '▌']).split_whitespace().next()?.to_owned())
        });
        all.filter(|name| name.starts_with("run-")).collect()
    };
    screen.keys("z : \"sort_loss\" enter");
    let names = order(&screen);
    // `lr` 0.1 is best, with the smaller batch before the larger; not-a-number, then nothing, come last.
    assert_eq!(names[..2], ["run-002", "run-008"], "{names:?}\n{}", screen.text());
    assert_eq!(names[9..], ["run-001", "run-007", "run-009"], "{names:?}\n{}", screen.text());
    screen.keys("O");
    let turned = order(&screen);
    assert_eq!((turned[0].as_str(), &turned[9..]), ("run-012", &names[9..]), "{turned:?}");
    // The best reading of what went wrong later is a number.
    screen.keys(": \"take_best\" enter : \"sort_loss_best\" enter");
    let text = screen.text();
    assert!(text.contains("loss best") && !order(&screen)[9..].contains(&"run-001".to_owned()), "{text}");
    screen.keys("T");
    assert!(screen.text().contains("loss mean"), "{}", screen.text());
}

#[test]
fn the_table_is_filtered_by_parameters_and_metrics() {
    let mut screen = study(120, 40, false);
    screen.keys("/ \"lr<0.1_loss<1\"");
    let text = screen.text();
    assert!(text.contains("/ lr<0.1 loss<1"), "{text}");
    let shown: Vec<&str> = text.lines().filter(|line| line.contains("│ run-") || line.contains("▌run-")).collect();
    assert!(!shown.is_empty() && shown.iter().all(|line| !line.contains(" 0.001 ") && !line.contains(" 0.3 ")), "{text}");
    screen.keys("enter esc");
    assert!(screen.text().contains("run-006"), "{}", screen.text());
    // Marks go on what is left.
    screen.keys("/ \"acc>0.9\" enter space");
    assert_eq!(screen.app.marks().len(), 1);
}

#[test]
fn columns_are_hidden_and_come_back() {
    let mut screen = study(120, 40, false);
    let head = |screen: &Screen| line(&screen.text(), "state  ").to_owned();
    assert!(head(&screen).contains("batch") && head(&screen).contains("acc"));
    screen.keys(": \"hide_batch\" enter : \"hide_acc\" enter");
    assert!(!head(&screen).contains("batch") && !head(&screen).contains("acc"), "{}", head(&screen));
    screen.keys(": \"hide\" enter");
    assert!(head(&screen).contains("batch"), "{}", head(&screen));
}

#[test]
fn the_best_so_far_and_what_goes_with_it() {
    let mut screen = study(120, 40, false);
    let text = screen.text();
    let best = line(&text, "best loss");
    assert!(best.contains("0.04") && best.contains("run-002") && best.contains("lr=0.1 batch=32"), "{best}");
    // By ranks: the larger `lr`, the smaller the loss, of those that are numbers.
    let goes = line(&text, "goes with loss");
    assert!(goes.contains("lr ") && goes.contains("-0."), "{goes}");
    // For accuracy larger is better, as its name says.
    screen.keys("m");
    answer(&mut screen);
    let text = screen.text();
    assert!(line(&text, "best acc").contains("run-002"), "{text}");
    screen.keys(": \"better_smaller\" enter");
    assert!(line(&screen.text(), "best acc").contains("run-012"), "{}", screen.text());
}

#[test]
fn curves_of_marked_jobs() {
    let mut screen = study(120, 40, false);
    // Without marks the best ones.
    screen.keys("alt-2");
    answer(&mut screen);
    assert!(screen.text().contains("the best 6"), "{}", screen.text());
    screen.keys("alt-1 g j space j space alt-2");
    answer(&mut screen);
    insta::assert_snapshot!("study_curves_120x40", screen.text());
    // The cursor reads values of all curves; over time, by logarithm, smoothed, closer.
    screen.keys("k k k k k k");
    let text = screen.text();
    assert!(text.contains(" at 9") && text.contains("a run-002"), "{text}");
    let value = |text: &str| {
        let line = line(text, "a run-002");
        line[line.find("a run-002").unwrap()..].split_whitespace().nth(2).map(str::to_owned)
    };
    let read = value(&text);
    screen.keys("g");
    let start = value(&screen.text());
    assert!(read != start, "{read:?} {start:?}\n{}", screen.text());
    assert!(start.is_some_and(|value| value == "2.34"), "{}", screen.text());
    screen.keys("G t L w ctrl-d");
    let text = screen.text();
    assert!(text.contains("loss over time, log, smoothed 0.5, 2 times closer"), "{text}");
    screen.keys(": \"smooth_0.9\" enter esc");
    assert!(screen.text().contains("smoothed 0.9"), "{}", screen.text());
    screen.keys(": \"smooth_2\" enter");
    assert!(screen.text().contains("from 0 to below 1"), "{}", screen.text());
    let mut small = study(80, 24, false);
    small.keys("alt-2");
    answer(&mut small);
    insta::assert_snapshot!("study_curves_80x24", small.text());
    let mut plain = study(80, 24, true);
    plain.keys("alt-2");
    answer(&mut plain);
    let text = plain.text();
    assert!(text.is_ascii() && text.contains("a run-002"), "{text}");
}

#[test]
fn a_parameter_against_the_metric() {
    let mut screen = study(120, 40, false);
    screen.keys("alt-3 X");
    let text = screen.text();
    assert!(text.contains("loss against lr, log"), "{text}");
    insta::assert_snapshot!("study_scatter_120x40", text);
    // The cursor goes from left to right; `enter` goes to the job.
    let first = line(&screen.text(), "◆  run").to_owned();
    screen.keys("j j j");
    assert_ne!(line(&screen.text(), "◆  run"), first);
    screen.keys("f");
    assert!(screen.text().contains("loss against batch"), "{}", screen.text());
    screen.keys("g space");
    assert_eq!(screen.app.marks().len(), 1);
    screen.keys("enter");
    assert!(screen.text().contains("run-001 ·"), "{}", screen.text());
}

#[test]
fn parallel_coordinates() {
    let mut screen = study(120, 40, false);
    screen.keys("alt-4");
    insta::assert_snapshot!("study_parallel_120x40", screen.text());
    // The cursor begins at the best.
    assert!(line(&screen.text(), "◆  ").contains("run-002"), "{}", screen.text());
    screen.keys("j enter");
    assert!(screen.text().contains("run-008 ·"), "{}", screen.text());
}

#[test]
fn a_job_shows_what_it_reports() {
    let mut screen = study(120, 40, false);
    screen.keys(": \"run-003\" enter alt-1");
    answer(&mut screen);
    let text = screen.text();
    let loss = line(&text, " loss ");
    assert!(loss.contains('▼') || loss.contains('▲') || loss.contains("best"), "{loss}");
    insta::assert_snapshot!("job_with_metrics_120x40", text);
    screen.keys("alt-4");
    answer(&mut screen);
    insta::assert_snapshot!("job_metrics_120x40", screen.text());
    screen.keys("m");
    answer(&mut screen);
    assert!(screen.text().contains("acc over steps"), "{}", screen.text());
    let mut small = study(80, 24, false);
    small.keys(": \"run-003\" enter alt-4");
    answer(&mut small);
    insta::assert_snapshot!("job_metrics_80x24", small.text());
}

#[test]
fn a_job_shows_its_code_and_a_form_like_it_keeps_it() {
    let mut screen = study(120, 40, false);
    let mut job = member(3);
    let code = json!({"directory": "/home/ada/proj", "snapshot": {
        "digest": "ab".repeat(32), "files": 7, "bytes": 3072,
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "branch": "main", "changed": 2},
    }});
    let mut spec = (*job.spec).clone();
    spec.code = serde_json::from_value(code).expect("code");
    job.spec = Arc::new(spec);
    screen.tell(update(2, false, vec![Change::Job(Arc::new(job))]));
    screen.keys(": \"run-003\" enter alt-1");
    let text = screen.text();
    for said in ["abababababab of /home/ada/proj", "7 files, 3 KiB", "git main", "0123456789ab, 2 files changed)"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    screen.keys("R ctrl-e");
    assert!(screen.text().contains(&"ab".repeat(20)), "{}", screen.text());
}

#[test]
fn a_rule_that_comes_true_is_told() {
    let mut screen = study(120, 40, false);
    let fired = |why: &str, act: &str, at: i64| {
        serde_json::from_value::<ostler::model::rule::Fired>(
            json!({"at": NOW.0 + at, "rule": format!("loss < 0.1 -> {act}"), "why": why, "act": act, "attempt": 1}),
        )
        .expect("a rule that fired")
    };
    let mut job = member(12);
    job.last.fired.push(fired("loss 0.07 at step 40", "notify", 1));
    screen.tell(update(2, false, vec![Change::Job(Arc::new(job.clone()))]));
    let text = screen.text();
    assert!(text.contains("run-012: loss 0.07 at step 40"), "{text}");
    // What was told is not told again, and many are one line.
    screen.now = screen.now + Millis::from_secs(60);
    screen.tell(Msg::Tick);
    job.attempt = Attempt(1);
    screen.tell(update(3, false, vec![Change::Job(Arc::new(job.clone()))]));
    assert!(!screen.text().contains("loss 0.07"), "{}", screen.text());
    (2..=9).for_each(|at| job.last.fired.push(fired(&format!("loss 0.0{at}"), "stop", at)));
    screen.tell(update(4, false, vec![Change::Job(Arc::new(job))]));
    let text = screen.text();
    assert!(text.contains("rules came true 8 times") && text.contains("loss 0.09"), "{text}");
}

#[test]
fn what_is_complete_is_asked_for_once() {
    let mut screen = study(120, 40, false);
    screen.now = screen.now + Millis::from_secs(30);
    screen.tell(Msg::Tick);
    let asked = answer(&mut screen);
    let again: Vec<&(Vec<JobId>, Vec<String>)> =
        asked.iter().filter(|(jobs, _)| jobs.iter().any(|id| *id != JobId(12))).collect();
    assert!(!asked.is_empty() && again.is_empty(), "only the running job has more to say: {asked:?}");
    // While nobody looks at it, nothing is asked.
    screen.keys(": \"gpu-a100\" enter");
    screen.asked.clear();
    screen.now = screen.now + Millis::from_secs(30);
    screen.tell(Msg::Tick);
    assert!(answer(&mut screen).is_empty());
}

/// A small screen shows as many jobs as it has rows: what has no log leaves that one line.
#[test]
fn the_table_has_the_room_of_a_small_screen() {
    let mut screen = study(80, 24, false);
    let rows = |screen: &Screen| screen.text().lines().filter(|line| line.contains(" run-0")).count();
    assert!(rows(&screen) >= 12, "{}", screen.text());
    assert!(screen.text().contains("select a job to see its log here"));
    // The keys in the log give it its room again.
    screen.keys("tab");
    assert!(rows(&screen) < 6, "{}", screen.text());
}

/// A toast over a window leaves the window's hints in sight.
#[test]
fn a_toast_leaves_the_hints() {
    for keys in ["/ \"run-001\" enter n", "g space j space c", "?", ":"] {
        let mut screen = study(80, 24, false);
        screen.keys(keys);
        let last = |screen: &Screen| screen.text().lines().rev().take(3).map(str::to_owned).collect::<Vec<_>>();
        let before = last(&screen);
        screen
            .tell(Msg::Note(Ok("something was said in quite a number of words, so that it covers what it is above".into())));
        assert!(screen.text().contains("something was said"), "{}", screen.text());
        assert_eq!(last(&screen), before, "{keys}");
    }
}

/// The lines of the window that compares.
fn window(text: &str) -> String {
    let from = text.lines().skip_while(|line| !line.contains("In what ") && !line.contains(" side by side "));
    let lines: Vec<&str> = from.take_while(|line| !line.contains("╰──────")).collect();
    lines.join("\n")
}

#[test]
fn marked_jobs_are_compared() {
    let mut screen = study(120, 40, false);
    screen.keys("c");
    assert!(screen.text().contains("mark two jobs or more with space"), "{}", screen.text());
    screen.now = screen.now + Millis::from_secs(5);
    screen.tell(Msg::Tick);
    screen.keys("g j space j j space c");
    assert!(screen.text().contains("asking for metrics"), "{}", screen.text());
    answer(&mut screen);
    let text = screen.text();
    insta::assert_snapshot!("compare_120x40", text);
    let row = line(&text, " parameter   lr ");
    assert!(row.contains("0.1 ") && row.contains("0.003 "), "{row}");
    assert!(!window(&text).contains(" batch "), "it is the same in both");
    // Also what is the same, and back.
    screen.keys("*");
    assert!(window(&screen.text()).contains(" batch "), "{}", screen.text());
    assert!(screen.text().contains("2 jobs side by side"), "{}", screen.text());
    screen.keys("esc");
    assert!(window(&screen.text()).is_empty());
    for (width, height) in [(80, 24), (40, 12)] {
        screen.resize(width, height);
        screen.keys("c");
        answer(&mut screen);
        insta::assert_snapshot!(format!("compare_{width}x{height}"), screen.text());
        screen.keys("esc");
    }
}

#[test]
fn what_was_compared_may_go() {
    use ostler::model::snapshot::RowKey;
    let mut screen = study(120, 40, false);
    screen.keys("g j space j j space j space c");
    answer(&mut screen);
    let before = screen.text();
    assert!(before.contains("In what 3 jobs differ"), "{before}");
    assert!(line(&before, " metric ").contains("0.040104"), "{before}");
    // The column of the one that goes leaves with all that was told of it.
    screen.tell(update(2, false, vec![Change::Gone(RowKey::Job(JobId(2)))]));
    let after = screen.text();
    assert!(after.contains("In what 2 jobs differ"), "{after}");
    let loss = line(&after, " metric ");
    assert!(!loss.contains("0.040104") && loss.contains("1.7439"), "{after}");
}

#[test]
fn marked_jobs_are_exported() {
    let mut screen = study(120, 40, false);
    screen.keys("g space space E");
    assert!(screen.text().contains("export-marked"), "{}", screen.text());
    screen.keys("esc");
    let export = |screen: &mut Screen, file: &str| {
        screen.tell(Msg::Cmd(Cmd { args: vec![file.to_owned()], ..Cmd::new(CommandId::ExportMarked) }));
    };
    let text = |screen: &mut Screen, file: &str| {
        assert_eq!(screen.app.marks().len(), 2);
        export(screen, file);
        answer(screen);
        screen.wrote(file).unwrap_or_else(|| panic!("nothing was written\n{}", screen.text()))
    };
    let csv = text(&mut screen, "a.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "name,id,experiment,cluster,state,exitCode,attempt,nodes,seconds,lr,batch,loss,acc");
    assert!(
        lines[1].starts_with("run-001,") && lines[1].contains(",mnist-lr,gpu-a100,succeeded,0,1,gpu-1,57,0.3,32,NaN,"),
        "{csv}"
    );
    assert_eq!(lines.len(), 3);
    let json: serde_json::Value = serde_json::from_str(&text(&mut screen, "b.json")).unwrap();
    assert_eq!((&json[1]["name"], &json[1]["parameters"]["lr"]), (&json!("run-002"), &json!(0.1)));
    assert_eq!((&json[0]["metrics"]["loss"]["last"], &json[0]["metrics"]["loss"]["count"]), (&json!("NaN"), &json!(51)));
    let yaml: serde_json::Value = serde_saphyr::from_str(&text(&mut screen, "c.yaml")).unwrap();
    assert_eq!(yaml[1]["metrics"]["loss"]["count"], json!(51));
    export(&mut screen, "d.txt");
    assert!(screen.text().contains("ends in .csv, .json, .yaml or .parquet"), "{}", screen.text());
}

#[test]
fn a_filter_that_hides_all_is_no_first_start() {
    let mut screen = study(120, 40, false);
    screen.keys("shift-tab / z q x z q");
    let text = screen.text();
    assert!(text.contains("nothing passes the filter") && text.contains("nothing is selected"), "{text}");
    assert!(!text.contains("How do you want to begin"), "{text}");
}
