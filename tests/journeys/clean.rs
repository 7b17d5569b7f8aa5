//! Data as it lies around: torn, twice, labelled wrongly, with holes. What `[clean]` makes of it.

use serde_json::{Value, json};

use crate::{
    drawings,
    world::{CALM, World},
};

const CLEAN: &str = "[clean]\nblank = \"remove\"\nduplicates = \"remove\"\nleaks = \"remove\"\nconflicts = \"remove\"\n";

/// A config for a folder of pictures of 12x12; `more` is further TOML.
fn config(more: &str) -> String {
    format!(
        "[source]\nkind = \"folder\"\npath = \"pictures\"\n[preprocess]\nfigures = \"fitted\"\n[network]\n\
         input = [12, 12, 1]\nlayers = [{{ kind = \"flatten\" }}, {{ kind = \"dense\", units = 2 }}]\n\
         [train]\nepochs = 3\nbatch = 8\ngradient_shards = 2\n[baselines]\nmodels = []\n{more}{CALM}"
    )
}

/// A picture like no other: noise, brighter at the top or at the bottom by its class.
fn picture(class: usize, number: u32) -> image::GrayImage {
    let mut state = number * 2 + class as u32 + 1;
    image::GrayImage::from_fn(12, 12, |_, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 24) as u8 / 2;
        image::Luma([if (y < 6) == (class == 0) { noise + 100 } else { noise }])
    })
}

fn save(world: &World, path: &str, picture: &image::GrayImage) {
    let path = world.path("pictures").join(path);
    std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder");
    picture.save(path).expect("it is saved");
}

/// Forty training and ten test pictures of two classes, nothing wrong with any.
fn good(world: &World) {
    for (split, count) in [("train", 20), ("test", 5)] {
        for (class, number) in (0..2).flat_map(|class| (0..count).map(move |n| (class, n))) {
            let seed = if split == "train" { number } else { number + 1_000 };
            save(world, &format!("{split}/{class}/{number:03}.png"), &picture(class, seed));
        }
    }
}

/// Every kind of bad picture beside the good ones.
fn bad(world: &World) {
    save(world, "train/0/005-again.png", &picture(0, 5));
    save(world, "train/0/900-odd.png", &picture(0, 900));
    save(world, "train/1/900-odd.png", &picture(0, 900));
    save(world, "train/1/leaked.png", &picture(1, 1_002));
    save(world, "train/1/blank.png", &image::GrayImage::from_pixel(12, 12, image::Luma([77])));
    save(world, "train/1/large.png", &image::GrayImage::new(30, 12));
    world.write("pictures/train/0/torn.png", &drawings::one(true)[..60]);
    world.write("pictures/test/0/text.png", "I am a picture, believe me");
}

#[test]
fn what_is_cleaned_is_learnt_as_if_the_bad_items_had_never_been_there() {
    let (clean, dirty) = (World::with(&config("")), World::with(&config(CLEAN)));
    good(&clean);
    good(&dirty);
    bad(&dirty);
    clean.run(&["--exit", "--report", "report.json"]).end().with(0);
    let ended = dirty.run(&["--exit", "--report", "report.json"]).end().with(0);
    let (ours, theirs) = (dirty.json("report.json"), clean.json("report.json"));
    assert!(ours["weights_sha256"].is_string());
    assert_eq!(ours["weights_sha256"], theirs["weights_sha256"]);
    assert_eq!(ours["test"], theirs["test"]);
    assert_eq!(ours["items"]["dead_lettered"], 0);
    assert_eq!(theirs["cleaning"], Value::Null, "nothing was looked for");
    let train = &ours["cleaning"]["train"];
    let one = json!({ "found": 1, "removed": 1 });
    assert_eq!((&train["items"], &train["kept"]), (&json!(47), &json!(40)));
    assert_eq!((&train["duplicates"], &train["leaks"], &train["blank"]), (&one, &one, &one));
    assert_eq!(train["conflicts"], json!({ "found": 2, "removed": 2 }));
    assert_eq!(train["unreadable"], json!({ "found": 2, "removed": 2 }));
    assert_eq!(ours["cleaning"]["test"]["unreadable"], one);
    assert_eq!(ours["cleaning"]["classes"][1], json!({ "name": "1", "train": 20, "test": 5 }));
    for text in ["cleaned   40 of 47 train", "3 unreadable", "1 leaked", "2 classes of 20 to 20"] {
        assert!(ended.out.contains(text), "{text} is missing in:\n{}", ended.out);
    }
}

#[test]
fn a_cleaning_is_the_same_for_any_workers_through_chaos_and_in_the_status() {
    let dirty = World::with(&config(CLEAN));
    good(&dirty);
    bad(&dirty);
    let run = |flags: &[&str]| {
        let flags: Vec<&str> =
            ["--exit", "--report", "report.json"].iter().chain(flags).copied().collect();
        dirty.run(&flags).end().with(0);
        dirty.json("report.json")
    };
    let one = run(&["--workers", "1"]);
    let many = run(&["--workers", "5", "--chaos", "kills=30,every=5ms,seed=4"]);
    assert!(one["weights_sha256"].is_string());
    for key in ["weights_sha256", "cleaning", "test"] {
        assert_eq!(one[key], many[key], "{key}");
    }
    let _runtime = dirty.runtime(&[]);
    let status = dirty.ask(&["status", "--json"]).with(0).json();
    assert_eq!(status["cleaning"]["train"], one["cleaning"]["train"]);
    let screen = dirty.ask(&["status"]).with(0).out;
    assert!(screen.contains("cleaned  40 of 47 train"), "{screen}");
}

#[test]
fn leaks_are_told_of_and_stay_unless_they_are_to_be_removed() {
    let world = World::with(&config("[clean]\n"));
    good(&world);
    bad(&world);
    let out = world.run(&["--exit", "--report", "report.json"]).end().with(0).out;
    assert!(out.contains("kept all the same: 1 blank, 2 of conflicting labels, 1 leaked"), "{out}");
    let check = world.planaria(&["check", "config.toml"]).with(0).out;
    assert!(check.contains("47 training and 11 test items, before they are cleaned"), "{check}");
    let leaks = &world.json("report.json")["cleaning"]["train"]["leaks"];
    assert_eq!(*leaks, json!({ "found": 1, "removed": 0 }));
}

/// Rows of which the sign of the first column is the class; every fifth has no second number.
fn rows(count: usize) -> String {
    let row = |index: usize| {
        let (sign, kind) = if index.is_multiple_of(2) { (1.0, "up") } else { (-1.0, "down") };
        let noise = if index.is_multiple_of(5) { "NA".into() } else { format!("{}", index % 7) };
        format!("{},{kind},{noise}\n", sign * (1.0 + index as f64 / 100.0))
    };
    let rows: String = (0..count).map(row).collect();
    format!("slope,kind,noise\n{rows}")
}

#[test]
fn holes_of_a_table_are_filled_by_the_training_rows_or_their_rows_go() {
    let config = |missing: &str| {
        format!(
            "[source]\nkind = \"csv\"\ntrain = \"train.csv\"\ntest = \"test.csv\"\nlabel = \"kind\"\n\
             [clean]\nmissing = \"{missing}\"\n[network]\ninput = [2]\n\
             layers = [{{ kind = \"dense\", units = 2 }}]\n[train]\nepochs = 30\nbatch = 20\n\
             [train.optimiser]\nkind = \"adam\"\nlearning_rate = 0.05\n[baselines]\nmodels = []\n{CALM}"
        )
    };
    // Of the rows that have one, 0 to 6 in turn; by hand for the first 70 rows: 56 have one, 8 of each.
    for (missing, value) in [("mean", 3.0), ("median", 3.0), ("most-frequent", 0.0)] {
        let world = World::with(&config(missing));
        world.write("train.csv", rows(70));
        world.write("test.csv", rows(10));
        world.run(&["--exit", "--report", "report.json"]).end().with(0);
        let report = world.json("report.json");
        let filled = &report["cleaning"]["filled"][0];
        assert_eq!(*filled, json!({ "column": "noise", "value": value, "rows": 16 }), "{missing}");
        assert_eq!(report["cleaning"]["train"]["kept"], 70);
        assert_eq!(
            (&report["test"]["accuracy"], &report["items"]["dead_lettered"]),
            (&json!(1.0), &json!(0))
        );
        // A hole is filled in the same way when predictions are asked for, by the file of the model alone.
        let model = report["model_file"].as_str().expect("there is a model");
        let probability = |row: &str| {
            world.write("row.txt", row);
            let answer = world.planaria(&["predict", "--model", model, "--json", "row.txt"]);
            answer.with(0).json()[0]["probabilities"].clone()
        };
        assert_eq!(probability("1.5,NA"), probability(&format!("1.5,{value}")), "{missing}");
        assert!(
            probability(",2").is_array(),
            "{missing}: a column that had no hole is filled, too"
        );
    }
    let world = World::with(&config("remove"));
    world.write("train.csv", rows(70));
    world.write("test.csv", rows(10));
    world.run(&["--exit", "--report", "report.json"]).end().with(0);
    let report = world.json("report.json");
    let model = report["model_file"].as_str().expect("there is a model");
    world.write("row.txt", "1.5,NA");
    let refused = world.planaria(&["predict", "--model", model, "row.txt"]).with(1);
    refused.says(&["number 2 is missing, and the model has nothing to fill it with"]);
    let cleaning = &report["cleaning"];
    assert_eq!(cleaning["train"]["missing"], json!({ "found": 14, "removed": 14 }));
    assert_eq!((&cleaning["train"]["kept"], &cleaning["test"]["kept"]), (&json!(56), &json!(8)));
}

#[test]
fn classes_can_be_renamed_and_joined_and_a_name_that_is_none_is_told() {
    let world =
        World::with(&config("[clean]\nlabels = { \"0\" = \"thing\", \"1\" = \"thing\" }\n"));
    good(&world);
    world.run(&["--exit", "--report", "report.json"]).end().with(0);
    assert_eq!(world.json("report.json")["class_names"], json!(["thing"]));
    world.write("config.toml", config("[clean]\nlabels = { cat = \"animal\" }\n"));
    world
        .run(&["--exit"])
        .end()
        .with(1)
        .says(&["`clean.labels`: no class is called `cat`", "0, 1"]);
    world.write("config.toml", config("[clean]\nleaks = \"drop\"\n"));
    world.planaria(&["check", "config.toml"]).with(2).says(&["clean.leaks", "`drop` is not known"]);
}

#[test]
fn what_was_set_aside_lies_where_a_person_can_look_at_it_and_is_tried_again_when_it_is_repaired() {
    let state = ["--set", "state.dir=state"];
    let world = World::with(&config(CLEAN));
    good(&world);
    bad(&world);
    world.run(&["--exit"]).end().with(0);
    let ask = |args: &[&str]| {
        let args: Vec<&str> = ["quarantine"].iter().chain(args).chain(&state).copied().collect();
        world.planaria(&args)
    };
    let listed = ask(&["list", "config.toml", "--json"]).with(0).json();
    let listed = listed.as_array().expect("a list").clone();
    let causes: Vec<String> = listed.iter().map(|item| item["cause"].to_string()).collect();
    assert_eq!(listed.len(), 8, "{causes:?}");
    for item in &listed {
        let path = world.path(item["path"].as_str().expect("each has its file"));
        assert!(path.is_file(), "{}", path.display());
    }
    let name = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
    let torn = listed.iter().find(|item| name(item).ends_with("torn.png")).expect("it is listed");
    let number = torn["number"].to_string();
    let told = |args: &[&str], texts: &[&str]| {
        let out = ask(args).with(0).out;
        texts.iter().for_each(|text| assert!(out.contains(text), "`{text}` is missing in:\n{out}"));
    };
    told(&["show", "config.toml", &number], &["torn.png", "train, item", "by      clean"]);
    ask(&["show", "config.toml", "9"]).with(2).says(&["the quarantine has no item 9: there are 8"]);
    told(&["retry", "config.toml"], &["0 of 8 items would be used", "it is of one colour"]);
    save(&world, "train/0/torn.png", &picture(0, 77));
    told(&["retry", "config.toml", &number], &["1 of 1 item would be used"]);
    std::fs::remove_file(world.path("pictures/test/0/text.png")).expect("it was there");
    let now = ask(&["retry", "config.toml", "--json"]).with(0).json();
    let now: Vec<&str> =
        now.as_array().expect("a list").iter().filter_map(|item| item["now"].as_str()).collect();
    assert_eq!(now.iter().filter(|now| **now == "gone").count(), 1, "{now:?}");
}

#[test]
fn a_quarantine_is_bounded_and_a_new_run_of_the_source_takes_its_place() {
    let bounds = "[quarantine]\nitems = 3\nbytes = 400\n";
    let world = World::with(&config(&format!("{CLEAN}{bounds}")));
    good(&world);
    bad(&world);
    let folders = || {
        let folders = std::fs::read_dir(world.path("state/quarantine")).expect("there is one");
        folders.map(|folder| folder.expect("it can be read").path()).collect::<Vec<_>>()
    };
    world.run(&["--exit", "--report", "report.json"]).end().with(0);
    let first = folders();
    assert_eq!(first.len(), 1);
    assert_eq!(world.json("report.json")["quarantined"], 3);
    let files = std::fs::read_dir(&first[0]).expect("it can be read");
    let sizes = files.map(|file| file.expect("a file").metadata().expect("it is there").len());
    assert!(sizes.sum::<u64>() < 400 + 3 * 1_000, "the list, and pictures of 400 bytes in all");
    world.run(&["--exit"]).end().with(0);
    let second = folders();
    assert_eq!(second.len(), 1, "the one before is gone");
    assert_ne!(first, second);
}

#[test]
fn rows_that_lie_far_out_are_told_with_their_column_and_set_aside_for_any_workers() {
    let config = "[source]\nkind = \"csv\"\ntrain = \"train.csv\"\ntest = \"test.csv\"\nlabel = \"kind\"\n\
                  [clean]\noutliers = \"remove\"\n[network]\ninput = [2]\n\
                  layers = [{ kind = \"dense\", units = 2 }]\n[train]\nbatch = 10\n[baselines]\nmodels = []\n";
    let world = World::with(&format!("{config}{CALM}"));
    let rows = |count: usize| rows(count).replace("NA", "1");
    world.write("train.csv", format!("{}1e9,up,3\n", rows(70)));
    world.write("test.csv", format!("{}1,up,-400\n", rows(10)));
    let run = |workers: &str| {
        world.run(&["--exit", "--report", "report.json", "--workers", workers]).end().with(0);
        world.json("report.json")
    };
    let (one, many) = (run("1"), run("3"));
    assert_eq!(one["cleaning"], many["cleaning"]);
    assert_eq!(one["weights_sha256"], many["weights_sha256"]);
    let count = |split: &str| one["cleaning"][split]["outliers"].clone();
    assert_eq!(count("train"), json!({ "found": 1, "removed": 1 }));
    assert_eq!(
        count("test"),
        json!({ "found": 1, "removed": 0 }),
        "it is measured on all the same"
    );
    let state = ["--set", "state.dir=state"];
    let listed = world.planaria(&["quarantine", "list", "config.toml", state[0], state[1]]).with(0);
    assert!(listed.out.contains("its `slope` is 1000000000, while half of"), "{}", listed.out);
}
