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
