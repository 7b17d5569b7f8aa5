//! The first run: from a config to a table, a report, a model file and a prediction.

use serde_json::{Value, json};

use crate::{
    drawings,
    world::{World, training},
};

/// Tells whether a value is what it should be.
type Check = fn(&Value) -> bool;

/// Every field of a report that later checks read, and what it is.
const REPORT: [(&str, Check); 39] = [
    ("/version", Value::is_string),
    ("/config_sha256", is_sha256),
    ("/seed", Value::is_u64),
    ("/seconds", is_time),
    ("/test/accuracy", is_share),
    ("/test/loss", Value::is_f64),
    ("/test/confusion", is_ten_by_ten),
    ("/test/top_five_accuracy", is_share),
    ("/test/calibration_error", is_share),
    ("/test/macro_average/f1", is_share),
    ("/test/classes/9/precision", is_share),
    ("/test/classes/9/recall", is_share),
    ("/test/classes/9/support", Value::is_u64),
    ("/weights_sha256", is_sha256),
    ("/items/accepted", Value::is_u64),
    ("/items/committed", Value::is_u64),
    ("/items/dead_lettered", Value::is_u64),
    ("/items/redelivered", Value::is_u64),
    ("/items/fenced_duplicates", Value::is_u64),
    ("/failures", Value::is_u64),
    ("/restarts", Value::is_u64),
    ("/baselines/0/name", Value::is_string),
    ("/baselines/0/library", Value::is_string),
    ("/baselines/0/accuracy", is_share),
    ("/baselines/0/seconds", is_time),
    ("/baselines/1/library", Value::is_string),
    ("/comparison/0/library", Value::is_string),
    ("/comparison/1/fit_seconds", is_time),
    ("/comparison/1/predict_seconds", is_time),
    ("/comparison/1/model_bytes", Value::is_u64),
    ("/comparison/1/train_rows", Value::is_u64),
    ("/training/samples_per_second", is_time),
    ("/training/steps", Value::is_u64),
    ("/training/epochs", Value::is_u64),
    ("/stages/0/name", Value::is_string),
    ("/stages/0/workers", Value::is_u64),
    ("/stages/0/committed", Value::is_u64),
    ("/stages/0/busy_seconds", Value::is_f64),
    ("/stages/0/waited_seconds", Value::is_f64),
];

fn is_sha256(value: &Value) -> bool {
    value.as_str().is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_time(value: &Value) -> bool {
    value.as_f64().is_some_and(|seconds| seconds > 0.0)
}

fn is_share(value: &Value) -> bool {
    value.as_f64().is_some_and(|share| (0.0..=1.0).contains(&share))
}

fn is_ten_by_ten(value: &Value) -> bool {
    let is_ten = |row: &Value| row.as_array().is_some_and(|cells| cells.len() == 10);
    is_ten(value) && value.as_array().is_some_and(|rows| rows.iter().all(is_ten))
}

/// Trained to its end, with both baselines.
fn trained() -> (World, String) {
    let config = training(2000, 3, "").replace("models = []", "train_rows = 500");
    let world = World::with(&config);
    let ended = world.run(&["--exit", "--report", "report.json"]).end().with(0);
    (world, ended.out)
}

#[test]
fn a_first_run_ends_with_a_table_a_report_and_a_model_that_needs_no_runtime() {
    let (world, table) = trained();
    for text in
        ["tiny-cnn", "planaria", "logistic regression", "linfa", "random forest", "taken for"]
    {
        assert!(table.contains(text), "{text} is missing in:\n{table}");
    }
    let report = world.json("report.json");
    check_report(&report);
    assert!(table.contains(report["weights_sha256"].as_str().expect("a text")), "{table}");
    check_model_file(&world, &report);
}

fn check_report(report: &Value) {
    for (field, is_right) in REPORT {
        assert!(report.pointer(field).is_some_and(is_right), "{field}: {report:#}");
    }
    let items = &report["items"];
    let number = |name: &str| items[name].as_u64().expect("a number");
    assert_eq!(number("accepted"), number("committed") + number("dead_lettered"), "{items}");
    assert_eq!(number("dead_lettered"), 0, "{items}");
    assert_eq!(report["training"]["steps"], 2000 / 32 * 3);
    assert_eq!(report["training"]["epochs"], 3);
    let libraries = [&report["baselines"][0]["library"], &report["baselines"][1]["library"]];
    assert_eq!(libraries, ["linfa", "smartcore"]);
    let names = report["stages"].as_array().expect("a list").iter().map(|stage| &stage["name"]);
    let way =
        "ingest decode preprocess augment batch train checkpoint evaluate deploy predict compare";
    assert_eq!(names.collect::<Vec<_>>(), way.split(' ').collect::<Vec<_>>());
    let rows = report["test"]["confusion"].as_array().expect("a table").iter();
    let cells = rows.flat_map(|row| row.as_array().expect("a row"));
    assert_eq!(cells.filter_map(Value::as_u64).sum::<u64>(), 200, "every test item once");
    assert!(report["test"]["accuracy"].as_f64() > Some(0.6), "it has learnt: {report:#}");
}

fn check_model_file(world: &World, report: &Value) {
    let model = report["model_file"].as_str().expect("a path");
    world.write("dark.png", drawings::one(true));
    world.write("light.png", drawings::one(false));
    let ask = ["predict", "--model", model, "dark.png", "light.png"];
    let table = world.planaria(&ask).with(0).out;
    assert!(table.contains("dark.png") && table.contains("light.png"), "{table}");
    let answers = world.planaria(&[&ask[..], &["--json"]].concat()).with(0).json();
    let answers = answers.as_array().expect("an array");
    assert_eq!(answers.len(), 2);
    for (answer, file) in answers.iter().zip(["dark.png", "light.png"]) {
        check_answer(answer, file);
        assert_eq!(answer["class"], 1, "it is a one: {answer}");
        assert_eq!(answer["model"], report["weights_sha256"], "{answer}");
    }
}

/// An answer of `predict --json` has these five fields and no other, and they agree.
pub(crate) fn check_answer(answer: &Value, file: &str) {
    let fields: Vec<&String> = answer.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["class", "file", "model", "probabilities", "probability"], "{answer}");
    assert_eq!(answer["file"], file);
    let probabilities: Vec<f64> = answer["probabilities"]
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(Value::as_f64)
        .collect();
    assert_eq!(probabilities.len(), 10, "{answer}");
    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{answer}");
    let class = answer["class"].as_u64().expect("a number") as usize;
    assert_eq!(answer["probability"].as_f64(), Some(probabilities[class]), "{answer}");
    assert!(probabilities.iter().all(|other| *other <= probabilities[class]), "{answer}");
}

#[test]
fn a_data_set_of_ones_own_is_trained_on_plain_or_in_gzip() {
    let own = |ending: &str| {
        let names = drawings::bars().into_iter().map(|(name, _)| name);
        let paths = names.map(|name| format!("{} = \"{name}{ending}\"\n", name.replace('-', "_")));
        format!("[source]\nkind = \"idx\"\n{}", paths.collect::<String>())
    };
    let world = World::new();
    let mut weights = Vec::new();
    for ending in ["", ".gz"] {
        for (name, bytes) in drawings::bars() {
            let bytes = if ending.is_empty() { bytes } else { drawings::gzip(&bytes) };
            world.write(&format!("{name}{ending}"), bytes);
        }
        let config = training(300, 8, "").replace("[source]\n", &own(ending));
        world.write("config.toml", config.replace("test_items = 200", "test_items = 60"));
        world.run(&["--exit", "--report", "report.json"]).end().with(0);
        let report = world.json("report.json");
        assert!(report["test"]["accuracy"].as_f64() > Some(0.8), "{report:#}");
        weights.push(report["weights_sha256"].clone());
    }
    assert_eq!(weights[0], weights[1], "compression is no part of the result");
}

#[test]
fn logs_for_machines_are_one_json_object_a_line() {
    let world = World::with(&training(320, 1, ""));
    let ended = world.run(&["--exit", "--log", "json"]).end().with(0);
    assert!(ended.err.lines().count() > 2, "{}", ended.err);
    for line in ended.err.lines() {
        let object: Value = serde_json::from_str(line).expect("a line of JSON");
        assert!(object.is_object(), "{line}");
    }
}

#[test]
fn check_says_what_a_config_would_do_without_doing_it() {
    let world = World::with(&training(640, 2, ""));
    let screen = world.planaria(&["check", "config.toml"]).with(0).out;
    for text in ["640", "tiny-cnn", "conv2d", "2,530", "40"] {
        assert!(screen.contains(text), "{text} is missing in:\n{screen}");
    }
    let plan = world.planaria(&["check", "config.toml", "--json", "--epochs", "3"]).with(0).json();
    let expected = json!({ "train_items": 640, "test_items": 200, "parameters": 2530, "epochs": 3,
        "steps_per_epoch": 20, "steps": 60, "input": "28x28x1" });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(plan[field], *value, "{field}");
    }
    assert!(!world.path("state").exists() && !world.path("control.sock").exists());
}
