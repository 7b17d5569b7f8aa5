//! What a data set holds, and what is wrong with it, before anything is trained.

use std::fs;

use crate::{drawings, world::World};

/// A folder of two classes; the held-out picture of a `one` is among the training items, under the wrong name too.
fn pictures(world: &World) {
    for (split, class) in [("train", "one"), ("train", "zero"), ("test", "one"), ("test", "zero")] {
        fs::create_dir_all(world.path("pictures").join(split).join(class)).expect("a folder");
    }
    let one = drawings::one(true);
    world.write("pictures/train/one/a.png", &one);
    world.write("pictures/train/zero/<b>.png", &one);
    world.write("pictures/train/zero/c.png", drawings::one(false));
    world.write("pictures/test/one/d.png", &one);
    world.write("pictures/test/zero/cut.png", &one[..one.len() / 2]);
}

#[test]
fn inspecting_a_folder_tells_leaks_conflicts_and_damage_by_the_files_names() {
    let world = World::new();
    pictures(&world);
    let screen = world.planaria(&["inspect", "pictures", "--card", "card.html"]).with(0).out;
    for text in ["3 items", "zero", "one/d.png", "zero/cut.png", "equals"] {
        assert!(screen.contains(text), "{text} is missing in:\n{screen}");
    }
    let card = world.planaria(&["inspect", "pictures", "--json", "--workers", "3"]).with(0).json();
    assert_eq!(card["twins"]["equal"]["leaked"], 1, "{card:#}");
    assert_eq!(card["twins"]["equal"]["conflicting"], 1, "{card:#}");
    assert_eq!(card["test"]["unusable"], 1, "{card:#}");
    assert_eq!(card, world.planaria(&["inspect", "pictures", "--json"]).with(0).json());
    let page = fs::read_to_string(world.path("card.html")).expect("the card is written");
    assert!(page.contains("data:image/png;base64,") && page.ends_with("</html>\n"), "{page}");
    assert!(page.contains("&lt;b&gt;.png") && !page.contains("<b>.png"), "{page}");
}

#[test]
fn inspecting_a_config_looks_at_its_source() {
    let world = World::new();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/mnist.toml");
    let card = world.planaria(&["inspect", config, "--json"]).with(0).json();
    assert_eq!((&card["train"]["items"], &card["test"]["items"]), (&60_000.into(), &10_000.into()));
    assert_eq!(card["train"]["by_class"][1], 6_742);
    let mean = card["channels"][0]["mean"].as_f64().expect("a number");
    assert!((mean - 0.1307).abs() < 1e-4, "MNIST's mean is well known: {mean}");
}

#[test]
fn what_is_no_data_set_is_refused_with_its_name() {
    let world = World::new();
    fs::create_dir(world.path("empty")).expect("a folder");
    world.planaria(&["inspect", "empty"]).with(2).says(&["empty", "what kind of data"]);
    world.planaria(&["inspect", "missing.toml"]).with(2).says(&["missing.toml"]);
}
