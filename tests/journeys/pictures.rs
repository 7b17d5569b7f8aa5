//! A folder of pictures in colour: learnt by the names of its classes, from the config to a prediction.

use image::{Rgb, RgbImage};
use std::fs;

use crate::world::World;

const CONFIG: &str = r#"
[source]
kind = "folder"
path = "colours"
[preprocess]
mean = [0.4, 0.1, 0.4]
deviation = [0.4, 0.4, 0.4]
[augment]
flip = "alternating"
crop = 1
cutout = 2
[network]
input = [6, 6, 3]
layers = [{ kind = "flatten" }, { kind = "dense", units = 2 }]
[train]
epochs = 30
batch = 8
[train.optimiser]
kind = "adam"
learning_rate = 0.01
[baselines]
models = []
[pools]
hang_after = "60s"
attempts_max = 2
"#;

/// Twelve red and twelve blue pictures to learn from, four of each to measure on.
fn world() -> World {
    let world = World::with(CONFIG);
    for (split, items) in [("train", 12), ("test", 4)] {
        for (class, colour) in [("red", [200, 0, 0]), ("blue", [0, 0, 200])] {
            let folder = world.path(&format!("colours/{split}/{class}"));
            fs::create_dir_all(&folder).expect("a folder");
            for item in 0..items {
                let pixel = Rgb(colour.map(|value: u8| value.saturating_add(item)));
                let picture = RgbImage::from_pixel(6, 6, pixel);
                picture.save(folder.join(format!("{item}.jpg"))).expect("a picture");
            }
        }
    }
    world
}

#[test]
fn pictures_in_folders_are_learnt_and_a_prediction_says_the_classs_name() {
    let world = world();
    world.write("colours/train/red/torn.png", b"\x89PNG\r\n\x1a\nno more");
    world.run(&["--exit", "--report", "report.json"]).end().with(0);
    let report = world.json("report.json");
    assert_eq!(report["class_names"], serde_json::json!(["blue", "red"]));
    assert_eq!(report["test"]["accuracy"], 1.0);
    let letters = report["dead_letters"].as_array().expect("a list");
    let name = letters[0]["name"].as_str().expect("it has a name");
    assert!(letters.len() == 1 && name.ends_with("train/red/torn.png"), "{letters:?}");
    let model = report["model_file"].as_str().expect("there is a model");
    RgbImage::from_pixel(40, 30, Rgb([255, 30, 20])).save(world.path("tomato.png")).expect("saved");
    let answer = world.planaria(&["predict", "--model", model, "tomato.png"]).with(0).out;
    let row: Vec<&str> = answer.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!((row[0], row[1], row[4]), ("tomato.png", "red", "blue"), "{answer}");
}

#[test]
fn a_folder_that_is_not_there_or_of_another_size_is_refused_with_its_place_and_what_to_do() {
    let world = world();
    world.write("config.toml", CONFIG.replace("\"colours\"", "\"colors\""));
    let missing = world.planaria(&["check", "config.toml"]).with(2);
    missing.says(&["colors/train: there is no such folder"]);
    world.write("config.toml", CONFIG.replace("[6, 6, 3]", "[8, 6, 3]"));
    let other = world.planaria(&["check", "config.toml"]).with(2);
    other.says(&["network.input", "is 8x6x3, but the images are 6x6x3"]);
}
