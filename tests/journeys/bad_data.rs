//! Data that cannot be trained on, and pictures that are none: one clear error each.

use serde_json::Value;

use crate::{
    drawings,
    first_run::check_answer,
    world::{World, training},
};

/// Breaks one file of a data set.
type Break = fn(&[u8]) -> Option<Vec<u8>>;

/// What is done to which file (in gzip or not), and what the error says beside the file's path.
const BROKEN: [(&str, &str, Break, &str); 11] = [
    ("missing", "train-images", |_| None, "there is no such file"),
    ("empty", "test-images", |_| Some(Vec::new()), "ends after"),
    ("cut in its header", "train-labels", |file| Some(file[..6].to_vec()), "ends after 6 of"),
    ("cut in its data", "train-images", |file| Some(file[..5000].to_vec()), "ends after 5000 of"),
    ("gzip, cut", "train-images", |file| Some(cut_in_half(drawings::gzip(file))), "ends after"),
    ("gzip, a byte flipped", "train-images", |file| Some(flip(drawings::gzip(file))), "damaged"),
    ("no IDX file", "test-labels", |_| Some(b"GIF89a, really".to_vec()), "begins with"),
    ("announces more", "train-images", |file| Some(announce(file, 301)), "ends after"),
    ("announces less", "test-images", |file| Some(announce(file, 59)), "goes on after"),
    ("announces 4 billion", "train-images", |file| Some(announce(file, u32::MAX)), "source_bytes"),
    ("another count", "train-labels", |_| Some(drawings::labels(299)), "299 labels"),
];

fn cut_in_half(mut file: Vec<u8>) -> Vec<u8> {
    file.truncate(file.len() / 2);
    file
}

fn flip(mut file: Vec<u8>) -> Vec<u8> {
    let middle = file.len() / 2;
    file[middle] ^= 0x10;
    file
}

fn announce(file: &[u8], count: u32) -> Vec<u8> {
    [&file[..4], &count.to_be_bytes(), &file[8..]].concat()
}

#[test]
fn a_data_set_that_is_not_whole_is_refused_with_the_file_and_what_to_do() {
    let source = "[source]\nkind = \"idx\"\ntrain_images = \"train-images\"\n\
        train_labels = \"train-labels\"\ntest_images = \"test-images\"\n\
        test_labels = \"test-labels\"\n";
    let config = training(300, 1, "").replace("[source]\n", source);
    for (what, name, broken, message) in BROKEN {
        let world = World::with(&config.replace("test_items = 200", "test_items = 60"));
        for (file, bytes) in drawings::bars() {
            let bytes = if file == name { broken(&bytes) } else { Some(bytes) };
            bytes.into_iter().for_each(|bytes| world.write(file, bytes));
        }
        let refused = world.run(&["--exit"]).end();
        assert_eq!(refused.code, Some(1), "{what}: {refused:?}");
        assert!(refused.out.is_empty(), "{what}: {refused:?}");
        refused.says(&[name, message]);
        assert!(!world.path("control.sock").exists(), "{what}: the socket is left");
        world.planaria(&["check", "config.toml"]).with(2).says(&[name, message]);
    }
}

#[test]
fn a_picture_that_is_none_has_its_error_and_the_others_are_answered() {
    let world = World::with(&training(640, 1, ""));
    let model = {
        world.run(&["--exit", "--report", "report.json"]).end().with(0);
        world.json("report.json")["model_file"].as_str().expect("a path").to_owned()
    };
    let mut runtime = world.runtime(&[]);
    runtime.until_a_model();
    world.write("one.png", drawings::one(true));
    world.write("text.png", "I am a picture, believe me");
    world.write("cut.png", &drawings::one(true)[..60]);
    world.write("empty.png", "");
    let files = ["one.png", "text.png", "cut.png", "empty.png", "none.png", "one.png"];
    let by_runtime: Vec<&str> = ["predict", "--socket", "control.sock"].into();
    let by_file: Vec<&str> = ["predict", "--model", &model].into();
    for command in [by_runtime, by_file] {
        let ended = world.planaria(&[&command[..], &["--json"], &files].concat()).with(1);
        let ended = ended.says(&["4 of 6 pictures got no answer"]);
        let answers = ended.json();
        assert_eq!(answers.as_array().map(Vec::len), Some(6), "{answers:#}");
        for (answer, file) in answers.as_array().expect("a list").iter().zip(files) {
            check_one_or_error(answer, file);
        }
        let told = world.planaria(&[&command[..], &files].concat()).with(1);
        assert_eq!(told.out.matches("one.png").count(), 2, "{}", told.out);
        told.says(&["text.png:", "cut.png:", "empty.png:", "none.png: cannot open it"]);
    }
    runtime.must_live();
}

fn check_one_or_error(answer: &Value, file: &str) {
    if file == "one.png" {
        check_answer(answer, file);
    } else {
        assert_eq!(answer["file"], file);
        assert!(answer["error"].as_str().is_some_and(|error| error.len() > 10), "{answer}");
    }
}

#[test]
fn a_model_file_that_is_none_is_refused() {
    let world = World::new();
    world.write("one.png", drawings::one(true));
    world.write("text", "I am a model, believe me");
    world.write("long header", [&u64::MAX.to_le_bytes()[..], b"{}"].concat());
    world.write("empty", "");
    for model in ["text", "long header", "empty", "none"] {
        let refused = world.planaria(&["predict", "--model", model, "one.png"]).with(1);
        assert!(refused.out.is_empty(), "{refused:?}");
        refused.says(&["cannot use the model file", model]);
    }
}
