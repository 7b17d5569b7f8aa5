//! A config or a command line that is wrong: exit code 2, and what, where, and what would be right.

use crate::world::{World, training};

/// A config, where it is wrong, and what is said of it.
const WRONG: [(&str, &str, &[&str]); 16] = [
    ("[train]\nepocs = 3\n", "2:1", &["train.epocs", "no such field", "did you mean `epochs`?"]),
    ("sed = 3\n", "1:1", &["sed", "did you mean `seed`?"]),
    ("[trian]\nepochs = 3\n", "1:2", &["trian", "did you mean `train`?"]),
    ("[pools]\nworkers = 0\n", "2:11", &["pools.workers", "0 is out of range: choose 1 to"]),
    ("[pools.train]\nworkers = 0\n", "2:11", &["pools.train.workers", "choose 1 to"]),
    ("[train]\nepochs = -1\n", "2:10", &["train.epochs", "-1 is out of range"]),
    ("[train]\nbatch = \"many\"\n", "2:9", &["train.batch", "must be a whole number, not a text"]),
    ("[train]\nbatch = 60001\n", "2:9", &["train.batch", "60000 training items"]),
    ("[network]\ninput = [28, 28, 1]\nlayers = []\n", "3:10", &["network.layers"]),
    ("[network]\npreset = \"tiny-cn\"\n", "2:10", &["did you mean `tiny-cnn`?"]),
    (
        "[network]\ninput = [28, 28, 1]\nlayers = [\n  { kind = \"flatten\" },\n\
         \x20 { kind = \"conv2d\", filters = 8 },\n]\n",
        "5:3",
        &["network.layers[1]", "flatten"],
    ),
    (
        "[network]\ninput = [28, 28, 1]\nlayers = [{ kind = \"dens\", units = 10 }]\n",
        "3:20",
        &["network.layers[0].kind", "did you mean `dense`?"],
    ),
    (
        "[network]\ninput = [27, 28, 1]\nlayers = [{ kind = \"flatten\" }, \
         { kind = \"dense\", units = 10 }]\n",
        "2:9",
        &["network.input", "27x28x1", "28x28x1"],
    ),
    ("[pools]\nhang_after = \"2\"\n", "2:14", &["pools.hang_after", "`2s`"]),
    ("seed = = 3\n", "1:8", &["this is no TOML"]),
    ("[source]\nkind = \"idx\"\n", "2:8", &["source.train_images", "source.test_labels"]),
];

#[test]
fn a_wrong_config_is_refused_with_line_column_field_and_the_nearest_name() {
    for (config, place, texts) in WRONG {
        let world = World::with(config);
        let place = format!("config.toml:{place}");
        let texts = [&[place.as_str()], texts].concat();
        world.planaria(&["check", "config.toml"]).with(2).says(&texts);
        let refused = world.run(&["--exit"]).end().with(2).says(&texts);
        assert!(refused.out.is_empty() && !world.path("state").exists(), "{refused:?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_to_machines_in_json() {
    let world = World::with("sed = 1\n[train]\nepochs = 0\nbatch = 0\n");
    world.planaria(&["check", "config.toml"]).with(2).says(&["3 faults"]);
    let told = world.planaria(&["check", "config.toml", "--json"]).with(2);
    assert!(told.err.is_empty(), "{}", told.err);
    let told = told.json();
    assert_eq!(told["file"], "config.toml");
    let faults = told["faults"].as_array().expect("a list");
    let found = faults.iter().map(|fault| (fault["field"].as_str(), fault["line"].as_u64()));
    let expected = [("sed", 1), ("train.epochs", 3), ("train.batch", 4)];
    assert!(found.eq(expected.map(|(field, line)| (Some(field), Some(line)))), "{told:#}");
    assert!(faults.iter().all(|fault| fault["message"].is_string() && fault["column"].is_u64()));
}

#[test]
fn a_file_that_is_no_config_is_refused() {
    let world = World::new();
    world.write("picture.toml", [0xff, 0xd8, 0xff, 0xe0]);
    world.write("huge.toml", vec![b'#'; 2 << 20]);
    for (path, message) in [
        ("none.toml", "cannot read the config none.toml"),
        (".", "cannot read the config ."),
        ("picture.toml", "no UTF-8 text"),
        ("huge.toml", "larger than 1048576 bytes"),
    ] {
        world.planaria(&["check", path]).with(2).says(&[message]);
        world.planaria(&["run", path, "--exit"]).with(2).says(&[message]);
    }
}

#[test]
fn wrong_flags_end_with_2_and_say_what_is_right() {
    let world = World::with(&training(320, 1, ""));
    let cases: [(&[&str], &str); 17] = [
        (&[], "Usage"),
        (&["stats"], "status"),
        (&["run"], "CONFIG"),
        (&["run", "config.toml", "--epoch", "3"], "--epochs"),
        (&["run", "config.toml", "--epochs", "three"], "--epochs"),
        (&["run", "config.toml", "--workers", "0"], "--workers: 0 is out of range"),
        (&["run", "config.toml", "--seed", "-1"], "'-1' for '--seed <N>'"),
        (&["run", "config.toml", "--chaos", "kils=3"], "did you mean `kills`?"),
        (&["run", "config.toml", "--report", "none/r.json"], "its folder does not exist"),
        (&["run", "config.toml", "--report", "."], "is a folder"),
        (&["run", "config.toml", "--set", "train.epochs"], "write KEY=VALUE"),
        (
            &["check", "config.toml", "--set", "train.epoch=3"],
            "--set train.epoch: there is no such",
        ),
        (&["train", "config.toml", "--keep-all"], "--sweep"),
        (&["train", "config.toml", "--sweep", "none.toml"], "cannot read the config none.toml"),
        (&["predict"], "IMAGE"),
        (&["predict", "--model", "m", "--socket", "s", "a.png"], "cannot be used with"),
        (&["chaos", "--kills", "0"], "--kills"),
    ];
    for (flags, message) in cases {
        world.planaria(flags).with(2).says(&[message]);
    }
}

#[test]
fn a_state_folder_that_cannot_be_made_fails_the_job() {
    let world = World::with(&training(320, 1, ""));
    world.write("file", "precious");
    let flags = ["run", "config.toml", "--exit", "--socket", "control.sock", "--state", "file"];
    world.planaria(&flags).with(1).says(&["cannot make the folder", "--state"]);
    assert!(!world.path("control.sock").exists());
}
