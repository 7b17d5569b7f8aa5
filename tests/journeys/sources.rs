//! Data of other kinds than pictures in folders: arrays, packed files.

use planaria_npy::{Element, Packing, header, zip};

use crate::{drawings, world::World};

/// What does not depend on the data; the network is a layer.
const TRAINING: &str = r#"
layers = [{ kind = "flatten" }, { kind = "dense", units = 10 }]
[train]
epochs = 30
batch = 20
[train.optimiser]
kind = "adam"
learning_rate = 0.01
[baselines]
models = []
[pools]
hang_after = "60s"
attempts_max = 2
"#;

/// A world with this `[source]` and input, that learns.
fn world(source: &str, input: &str) -> World {
    World::with(&format!("[source]\n{source}\n[network]\ninput = {input}{TRAINING}"))
}

/// The four arrays of an archive.
fn archive(arrays: [Vec<u8>; 4]) -> Vec<u8> {
    let names = ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"].map(str::to_owned);
    zip::write(Packing::Deflated, names.into_iter().zip(arrays)).expect("an archive")
}

/// Rows of three features, of which the sign of the first is the class; row 7 has a number that is none.
fn features(count: usize) -> (Vec<u8>, Vec<u8>) {
    let row = |index: usize| {
        let sign = if index.is_multiple_of(2) { 1.0 } else { -1.0 };
        let second = if index == 7 { f32::NAN } else { (index % 5) as f32 };
        [sign * (1.0 + (index % 3) as f32), second, 100.0]
    };
    let numbers: Vec<u8> = (0..count).flat_map(row).flat_map(f32::to_le_bytes).collect();
    let labels: Vec<u8> = (0..count).map(|index| (index % 2) as u8).collect();
    let x = [header::write(Element::F4, &[count, 3]), numbers].concat();
    (x, [header::write(Element::U1, &[count]), labels].concat())
}

#[test]
fn arrays_of_images_give_the_model_that_their_idx_files_give() {
    let paths = "train_images = \"train-images\"\ntrain_labels = \"train-labels\"\n\
                 test_images = \"test-images\"\ntest_labels = \"test-labels\"";
    let bars = drawings::bars();
    let idx = world(&format!("kind = \"idx\"\n{paths}"), "[28, 28, 1]");
    bars.iter().for_each(|(name, bytes)| idx.write(name, drawings::gzip(bytes)));
    let array = |at: usize| {
        let (_, bytes) = &bars[at];
        let shape: &[usize] = match at {
            0 => &[300, 28, 28],
            1 => &[300],
            2 => &[60, 28, 28],
            _ => &[60],
        };
        let begin = 4 + 4 * shape.len();
        [header::write(Element::U1, shape), bytes[begin..].to_vec()].concat()
    };
    let numpy = world("kind = \"numpy\"\npath = \"bars.npz\"", "[28, 28, 1]");
    numpy.write("bars.npz", archive([0, 1, 2, 3].map(array)));
    let [ours, theirs] = [&idx, &numpy].map(|world| {
        world.run(&["--exit", "--report", "report.json"]).end().with(0);
        world.json("report.json")
    });
    assert_eq!(ours["weights_sha256"], theirs["weights_sha256"]);
    assert!(ours["weights_sha256"].is_string() && ours["test"]["accuracy"] == 1.0, "{ours:#}");
}

#[test]
fn rows_of_numbers_are_learnt_and_a_row_is_answered() {
    let world = world("kind = \"numpy\"\npath = \"rows.npz\"", "[3]");
    let config = std::fs::read_to_string(world.path("config.toml")).expect("it is there");
    let more = "[preprocess]\nmean = [0.0, 2.0, 100.0]\ndeviation = [1.5, 1.0, 1.0]\n";
    world.write("config.toml", config.replace("units = 10", "units = 2") + more);
    let ((x, y), (test_x, test_y)) = (features(200), features(6));
    world.write("rows.npz", archive([x, y, test_x, test_y]));
    world.run(&["--exit", "--report", "report.json"]).end().with(0);
    let report = world.json("report.json");
    assert_eq!(report["test"]["accuracy"], 1.0);
    let letters = report["dead_letters"].as_array().expect("a list");
    let cause = letters[0]["cause"].to_string();
    assert!(letters.len() == 1 && cause.contains("value 1 is NaN"), "{letters:?}");
    let name = letters[0]["name"].as_str().expect("it has a name");
    assert!(name.ends_with("x_train.npy, item 7"), "{name}");
    let model = report["model_file"].as_str().expect("there is a model");
    world.write("row.txt", "-2.5, 3, 100\n");
    world.write("short.txt", "-2.5, 3\n");
    let answers = world.planaria(&["predict", "--json", "--model", model, "row.txt", "short.txt"]);
    let answers = answers.with(1).json();
    assert_eq!(answers[0]["class"], 1, "{answers:#}");
    assert_eq!(answers[1]["error"], "2 numbers where the model takes 3");
    world.write("config.toml", config.replace("units = 10", "units = 2") + "[augment]\ncrop = 2\n");
    world.planaria(&["check", "config.toml"]).with(2).says(&["augment", "rows of numbers"]);
}

/// Rows of which the sign of the first feature is the class, as CSV with text for classes.
fn csv(count: usize) -> String {
    let row = |index: usize| {
        let (sign, kind) = if index.is_multiple_of(2) { (1.0, "up") } else { (-1.0, "down") };
        format!("{},{kind},{}\n", sign * (1.0 + (index % 3) as f32), index % 5)
    };
    let rows: String = (0..count).map(row).collect();
    format!("slope,kind,noise\n{rows}")
}

#[test]
fn a_table_is_learnt_as_csv_and_as_lines_of_json_to_the_same_weights() {
    let source = |kind: &str, path: &str| {
        format!("kind = \"{kind}\"\npath = \"{path}\"\nlabel = \"kind\"\ntest_share = 0.25")
    };
    let text = csv(300) + "7,up\n8,down,many\n";
    let json: String = text
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let noise =
                fields.get(2).map_or(String::new(), |noise| format!(", \"noise\": {noise:?}"));
            format!("{{\"slope\": {}, \"kind\": {:?}{noise}}}\n", fields[0], fields[1])
        })
        .collect();
    let csv = world(&source("csv", "rows.csv.gz"), "[2]");
    csv.write("rows.csv.gz", drawings::gzip(text.as_bytes()));
    let lines = world(&source("json-lines", "rows.jsonl"), "[2]");
    lines.write("rows.jsonl", json);
    let [ours, theirs] = [&csv, &lines].map(|world| {
        let config = std::fs::read_to_string(world.path("config.toml")).expect("it is there");
        world.write("config.toml", config.replace("units = 10", "units = 2"));
        world.planaria(&["check", "config.toml"]).with(0);
        world.run(&["--exit", "--report", "report.json"]).end().with(0);
        world.json("report.json")
    });
    assert!(ours["weights_sha256"].is_string() && ours["test"]["accuracy"] == 1.0, "{ours:#}");
    assert_eq!(ours["weights_sha256"], theirs["weights_sha256"]);
    assert_eq!(ours["class_names"], serde_json::json!(["down", "up"]));
    let letters = ours["dead_letters"].as_array().expect("a list");
    let causes: Vec<String> = letters.iter().map(|letter| letter["cause"].to_string()).collect();
    assert_eq!(causes.len(), 2, "{causes:?}");
    assert!(causes.iter().any(|cause| cause.contains("it has 2 fields where the header has 3")));
    assert!(causes.iter().any(|cause| cause.contains("column `noise` is \\\"many\\\": no number")));
}

#[test]
fn an_archive_of_pictures_gives_the_model_that_its_folder_gives() {
    let source = |kind: &str, path: &str| format!("kind = \"{kind}\"\npath = \"{path}\"");
    let folder = world(&source("folder", "bars"), "[28, 28, 1]");
    let tar = world(&source("tar", "bars.tar"), "[28, 28, 1]");
    for (split, count) in [("train", 200), ("test", 40)] {
        let images = drawings::images(count);
        for (index, pixels) in images[16..].chunks(28 * 28).enumerate() {
            let class = folder.path(&format!("bars/{split}/{}", index % 10));
            std::fs::create_dir_all(&class).expect("a folder");
            let picture = image::GrayImage::from_raw(28, 28, pixels.to_vec()).expect("a picture");
            picture.save(class.join(format!("{index:03}.png"))).expect("it is saved");
        }
    }
    let packed = std::process::Command::new("tar")
        .args(["--sort=name", "-cf"])
        .arg(tar.path("bars.tar"))
        .arg("-C")
        .arg(folder.path("bars"))
        .args(["train", "test"])
        .status()
        .expect("tar is there");
    assert!(packed.success());
    let [ours, theirs] = [&folder, &tar].map(|world| {
        world.run(&["--exit", "--report", "report.json"]).end().with(0);
        world.json("report.json")
    });
    assert!(ours["weights_sha256"].is_string() && ours["test"]["accuracy"] == 1.0, "{ours:#}");
    assert_eq!(ours["weights_sha256"], theirs["weights_sha256"]);
}
