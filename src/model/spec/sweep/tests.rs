//! Counts, values and bodies of sweeps of every kind.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::super::sweep_file;
use super::*;

fn grid(options: &[&str]) -> SweepSpec {
    search(options, Search::Grid)
}

fn search(options: &[&str], search: Search) -> SweepSpec {
    let parameters = options.iter().map(|option| sweep_file::option(option).expect(option)).collect();
    SweepSpec::new(json!({}), vec![Part { parameters, search, exclude: Vec::new() }])
}

fn values(spec: &SweepSpec) -> Vec<Vec<Value>> {
    assert_eq!(spec.faults(), Vec::<String>::new());
    (0..spec.count()).map(|at| spec.point(at).unwrap().into_iter().map(|(_, value)| value).collect()).collect()
}

#[test]
fn every_kind_of_parameter_in_a_grid() {
    for (option, expected) in [
        ("a=1..5/2", json!([1, 3, 5])),
        ("a=0.1..0.5/0.1", json!([0.1, 0.2, 0.3, 0.4, 0.5])),
        ("a=0.0..1.0:3", json!([0.0, 0.5, 1.0])),
        ("a=0..10:4", json!([0, 3, 7, 10])),
        ("a=1..3", json!([1, 2, 3])),
        ("a=log:1e-4..1e-1:4", json!([0.0001, 0.001, 0.01, 0.1])),
        ("a=log:1..1000:4", json!([1, 10, 100, 1000])),
        ("a=log:1..4:8", json!([1, 2, 3, 4])),
        ("a=32,64,128", json!([32, 64, 128])),
        ("a=adam,0.5,true,\"1\"", json!(["adam", 0.5, true, "1"])),
        (
            "a=0.001..0.002/0.0001",
            json!([0.001, 0.0011, 0.0012, 0.0013, 0.0014, 0.0015, 0.0016, 0.0017, 0.0018, 0.0019, 0.002]),
        ),
    ] {
        let got: Vec<Value> = values(&grid(&[option])).into_iter().map(|mut point| point.remove(0)).collect();
        assert_eq!(Value::from(got), expected, "{option}");
    }
    let together = grid(&[r#"opt=[{"name": "sgd", "lr": 0.1}, {"name": "adam", "lr": 0.001}]"#, "b=1,2"]);
    assert_eq!(together.names(), ["opt.name", "opt.lr", "b"]);
    assert_eq!(values(&together)[1], [json!("sgd"), json!(0.1), json!(2)], "the last parameter changes fastest");
    assert_eq!(values(&together)[2], [json!("adam"), json!(0.001), json!(1)]);
}

#[test]
fn what_is_no_sweep_says_why() {
    let fault = |options: &[&str], kind| search(options, kind).faults().join("; ");
    for (options, kind, words) in [
        (&["a=0.1..0.5"][..], Search::Grid, "neither how many values"),
        (&["a=log:0..1:3"], Search::Grid, "above 0"),
        (&["a=log:1..9/2"], Search::Grid, "step on a log scale"),
        (&["a=5..1:3"], Search::Grid, "the end has to be larger"),
        (&["a=1,2", "A=3"], Search::Grid, "twice"),
        (&["a=1..1000", "b=1..1000", "c=1,2"], Search::Grid, "2000000 members"),
        (&["a-b=1"], Search::Grid, "is no name of a parameter"),
        (&["a=[{\"x\": 1}, {\"y\": 1}]"], Search::Grid, "other keys"),
        (&["a=1..2000000"], Search::Grid, "2000000 values"),
    ] {
        assert!(fault(options, kind).contains(words), "{options:?}: {}", fault(options, kind));
    }
    assert_eq!(fault(&["a=0.1..0.5"], Search::Random { jobs: 3, seed: 0 }), "", "draws need no count");
}

#[test]
fn draws_stay_inside_and_whole_numbers_are_whole() {
    let drawn = search(&["lr=log:1e-4..1e-1", "n=int:1..6", "c=a,b"], Search::Random { jobs: 6_000, seed: 7 });
    let all = values(&drawn);
    let (mut small, mut faces) = (0, [0_u32; 6]);
    for point in &all {
        let lr = point[0].as_f64().unwrap();
        assert!((1e-4..=1e-1).contains(&lr));
        small += u32::from(lr < 10_f64.powf(-2.5));
        faces[point[1].as_i64().unwrap() as usize - 1] += 1;
    }
    assert!((2_800..3_200).contains(&small), "half of a log scale lies below its middle: {small}");
    assert!(faces.iter().all(|count| (850..1_150).contains(count)), "{faces:?}");
    assert_eq!(all, values(&search(&["lr=log:1e-4..1e-1", "n=int:1..6", "c=a,b"], Search::Random { jobs: 6_000, seed: 7 })));
    assert_ne!(
        all[0],
        values(&search(&["lr=log:1e-4..1e-1", "n=int:1..6", "c=a,b"], Search::Random { jobs: 1, seed: 8 }))[0]
    );
}

#[test]
fn a_latin_hypercube_has_one_member_in_each_slice() {
    let jobs = 50;
    let spec = search(&["x=0.0..1.0", "y=log:1.0..100.0", "c=a,b"], Search::Latin { jobs, seed: 3 });
    let all = values(&spec);
    let slices = |share: fn(f64) -> f64, at: usize| -> BTreeSet<u32> {
        all.iter().map(|point| (share(point[at].as_f64().unwrap()) * f64::from(jobs)) as u32).collect()
    };
    assert_eq!(slices(|x| x, 0).len(), 50);
    assert_eq!(slices(|y| y.ln() / 100_f64.ln(), 1).len(), 50);
    assert_eq!(all.iter().filter(|point| point[2] == "a").count(), 25);
}

#[test]
fn some_are_left_out_and_parts_are_added() {
    let mut spec = grid(&["a=1..10", "b=x,y"]);
    spec.parts[0].exclude =
        vec![json!({"a": 3}).as_object().unwrap().clone(), json!({"a": 4.0, "b": "y"}).as_object().unwrap().clone()];
    assert_eq!(spec.count(), 17);
    assert_eq!(spec.point(4).unwrap(), [("a".to_owned(), json!(4)), ("b".to_owned(), json!("x"))]);
    assert_eq!(spec.point(17), None);
    let more =
        spec.extended(Part { parameters: vec![sweep_file::option("a=99").unwrap()], search: Search::Grid, exclude: vec![] });
    assert_eq!((more.count(), more.point(16)), (18, spec.point(16)));
    assert_eq!(more.point(17).unwrap()[0].1, json!(99));
}

#[test]
fn a_member_has_its_values_in_its_body_and_its_variables() {
    let template = json!({"nodeCount": "PARAM_N", "customToolkitSettings": {"commandLine": "train --lr PARAM_LR"},
        "environmentVariables": [{"name": "KEEP", "value": "PARAM_N"}, {"name": "PARAM_LR", "value": "mine"}],
        "inputDirectories": [{"id": "D", "path": "/data/PARAM_N"}]});
    let parameters = ["n=1,2", "lr=0.5"].map(|option| sweep_file::option(option).unwrap()).to_vec();
    let spec = SweepSpec::new(template, vec![Part { parameters, search: Search::Grid, exclude: Vec::new() }]);
    let (body, point) = spec.body(1).unwrap();
    assert_eq!(point, [("n".to_owned(), json!(2)), ("lr".to_owned(), json!(0.5))]);
    assert_eq!((body.node_count.0, body.toolkit.command_line().as_ref()), (2, "train --lr 0.5"));
    assert_eq!(body.input_directories[0].path, "/data/2");
    let variables: Vec<(&str, &str)> =
        body.environment_variables.iter().map(|v| (v.name.as_str(), v.value.as_str())).collect();
    assert_eq!(variables, [("KEEP", "2"), ("PARAM_LR", "mine"), ("PARAM_N", "2")], "the template's own is not lost");
    let broken = SweepSpec { template: json!({"nodeCount": "PARAM_LR"}), ..spec };
    assert!(broken.body(0).unwrap_err().contains("nodeCount"));
}

#[test]
fn samples_hold_every_value() {
    let spec = grid(&["a=1..20", "b=x,y,z", "c=1..7"]);
    let samples = spec.samples(1_000);
    for (name, count) in [("a", 20), ("b", 3), ("c", 7)] {
        let seen: BTreeSet<String> = samples
            .iter()
            .flat_map(|at| spec.point(*at).unwrap())
            .filter(|(of, _)| of == name)
            .map(|(_, value)| value.to_string())
            .collect();
        assert_eq!(seen.len(), count, "{name}");
    }
    assert!(samples.len() < 40);
}

proptest! {
    #[test]
    fn a_grid_has_every_combination_once(sizes in proptest::collection::vec(1_u32..6, 1..5)) {
        let options: Vec<String> = sizes.iter().enumerate().map(|(at, size)| format!("p{at}=1..{}/1", size + 1)).collect();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let spec = grid(&options);
        let all: BTreeSet<String> = values(&spec).iter().map(|point| format!("{point:?}")).collect();
        prop_assert_eq!(all.len() as u32, sizes.iter().map(|size| size + 1).product::<u32>());
        prop_assert_eq!(spec.count() as usize, all.len());
    }
}

/// Plays a study: `first` random members, then batches of suggestions; returns the best of all.
fn study(spec: &SweepSpec, batches: usize, batch: u32, seed: u64, loss: impl Fn(&Point) -> f64) -> f64 {
    let mut spec = spec.clone();
    let mut tried: Vec<(Point, Option<f64>)> = Vec::new();
    for round in 0..=batches {
        for index in tried.len() as u32..spec.count() {
            let point = spec.point(index).unwrap();
            tried.push((point.clone(), Some(loss(&point))));
        }
        if round < batches {
            let part = spec.suggest(&tried, false, batch, seed + round as u64).unwrap();
            assert_eq!(part.faults(), Vec::<String>::new());
            spec = spec.extended(part);
        }
    }
    tried.iter().filter_map(|(_, value)| *value).fold(f64::INFINITY, f64::min)
}

#[test]
fn suggestions_find_more_than_draws_do() {
    // The best learning rate of a log scale, the best width of some, and one of three words.
    let loss = |point: &Point| {
        let (lr, width) = (point[0].1.as_f64().unwrap(), point[1].1.as_f64().unwrap());
        let word = if point[2].1 == "adam" { 0.0 } else { 1.0 };
        (lr.log10() + 2.5).powi(2) + ((width - 96.0) / 64.0).powi(2) + word
    };
    let of =
        |jobs, seed| search(&["lr=log:1e-6..1e-0", "width=int:8..256", "opt=sgd,adam,lamb"], Search::Random { jobs, seed });
    let better = (0..40)
        .filter(|seed| {
            let suggested = study(&of(10, *seed), 10, 3, *seed, loss);
            let drawn = values(&of(40, *seed + 1_000));
            let names = ["lr", "width", "opt"].map(str::to_owned);
            let drawn = drawn.into_iter().map(|values| loss(&names.iter().cloned().zip(values).collect()));
            suggested < drawn.fold(f64::INFINITY, f64::min)
        })
        .count();
    // As likely as not, it were 20; 28 or more by chance in one of a hundred.
    assert!(better >= 28, "in {better} of 40");
}

#[test]
fn suggestions_are_the_sweep_s_own_values_and_each_is_new() {
    let spec = grid(&["a=1,2,3", "b=x,y"]);
    let point = |index| spec.point(index).unwrap();
    let tried: Vec<_> = (0..4).map(|index| (point(index), Some(f64::from(index)))).collect();
    let part = spec.suggest(&tried, true, 10, 1).unwrap();
    let more = spec.extended(part.clone());
    assert_eq!(part, spec.suggest(&tried, true, 10, 1).unwrap(), "the same again");
    let points: BTreeSet<String> = (0..more.count()).map(|index| format!("{:?}", more.point(index))).collect();
    assert_eq!((points.len(), more.count()), (6, 8), "two were untried: {points:?}");
    assert_eq!(
        spec.suggest(&[], false, 1, 1).unwrap_err(),
        "no member has reported a number that values could be suggested by"
    );
    let all = |value: Option<f64>| (0..6).map(|index| (point(index), value)).collect::<Vec<_>>();
    assert!(spec.suggest(&all(None), false, 1, 1).is_err() && spec.suggest(&all(Some(f64::NAN)), false, 1, 1).is_err());
    assert_eq!(spec.suggest(&all(Some(1.0)), false, 1, 1).unwrap_err(), "all of its values were tried");
    // Who waits is not suggested again.
    let waiting = [tried, vec![(point(4), None)]].concat();
    assert_eq!(spec.suggest(&waiting, true, 10, 1).unwrap().raw_count(), 1);
}

#[test]
fn suggestions_of_sets_keep_them_together() {
    let sets = json!([{"name": "sgd", "lr": 0.1}, {"name": "adam", "lr": 0.001}]);
    let sets = sets.as_array().unwrap().iter().map(|set| set.as_object().unwrap().clone()).collect();
    let parameters = vec![
        Parameter { name: "opt".to_owned(), values: Values::Together(sets) },
        sweep_file::option("x=0.0..1.0").unwrap(),
    ];
    let spec =
        SweepSpec::new(json!({}), vec![Part { parameters, search: Search::Random { jobs: 6, seed: 1 }, exclude: vec![] }]);
    let tried: Vec<_> = (0..6).map(|index| (spec.point(index).unwrap(), Some(f64::from(index)))).collect();
    let part = spec.suggest(&tried, false, 5, 1).unwrap();
    assert_eq!(part.faults(), Vec::<String>::new());
    let more = spec.extended(part);
    assert_eq!((more.count(), more.names()), (11, spec.names()));
    for index in 6..11 {
        let point = more.point(index).unwrap();
        let lr = if point[0].1 == "sgd" { 0.1 } else { 0.001 };
        assert_eq!((point[0].0.as_str(), point[1].0.as_str(), point[1].1.as_f64()), ("opt.name", "opt.lr", Some(lr)));
    }
}
