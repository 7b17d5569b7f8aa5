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
    assert_eq!(card["formats"]["png"], 5, "{card:#}");
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

/// Sixty rows of numbers and a text, and some that are wrong: a hole, a word for a number, one far out, one twice, one of two
/// classes, one that is cut.
fn rows() -> String {
    let row = |index: usize| {
        let (age, truth, kind) = (20 + index % 40, index % 2, ["cat", "dog"][index % 2]);
        format!("{age}.5,{truth},name {index},{kind},{}\n", index * 3)
    };
    let rows: String = (0..60).map(row).collect();
    let bad = "30.5,NA,nobody,dog,7\n9000,1,oldest,dog,11\nx,0,a word,cat,12\n20.5,0,again,cat,0\n\
               21.5,1,other,cat,3\n1,2\n";
    format!("age,truth,name,kind,<i>\n{rows}{bad}")
}

#[test]
fn inspecting_a_table_tells_its_columns_and_the_rows_to_look_at_for_any_workers() {
    let world = World::new();
    world.write("people.csv", rows());
    let ask = |more: &[&str]| {
        let args = ["inspect", "people.csv", "--label", "kind"];
        world.planaria(&args.into_iter().chain(more.iter().copied()).collect::<Vec<_>>()).with(0)
    };
    let screen = ask(&["--card", "card.html"]).out;
    for text in ["texts     name: not looked at", "truth", "1 far out", "its `age` is 9000"] {
        assert!(screen.contains(text), "{text} is missing in:\n{screen}");
    }
    let card = ask(&["--json", "--workers", "3"]).json();
    assert_eq!(card, ask(&["--json", "--workers", "1"]).json());
    let column = |at: usize| card["columns"][at].clone();
    assert_eq!((&column(0)["name"], &column(0)["kind"]), (&"age".into(), &"real".into()));
    assert_eq!((&column(1)["kind"], &column(2)["kind"]), (&"truth".into(), &"whole".into()));
    let missing: u64 =
        column(1)["missing"].as_array().expect("two").iter().filter_map(|n| n.as_u64()).sum();
    assert_eq!(missing, 1);
    let both = |key: &str| {
        let found = |split: &str| card[split][key]["found"].as_u64();
        found("train").zip(found("test")).map(|(train, test)| train + test)
    };
    assert_eq!((both("unreadable"), both("outliers")), (Some(2), Some(1)), "{card:#}");
    let rows = card["train"]["items"].as_u64().zip(card["test"]["items"].as_u64());
    assert_eq!(rows.map(|(train, test)| train + test), Some(66));
    let page = fs::read_to_string(world.path("card.html")).expect("the card is written");
    assert!(
        page.contains("<svg") && page.contains("&lt;i&gt;") && !page.contains("<script"),
        "{page}"
    );
}

#[test]
fn a_table_of_lines_of_json_is_told_as_the_same_table_of_csv_is() {
    let world = World::new();
    let row = |index: usize| {
        let (a, b, kind) = (index as f64 / 4.0, index * index % 17, ["x", "y"][index % 2]);
        (format!("{a},{b},{kind}\n"), format!("{{\"a\":{a},\"b\":{b},\"label\":\"{kind}\"}}\n"))
    };
    let (csv, json): (String, String) = (0..50).map(row).unzip();
    world.write("t.csv", format!("a,b,label\n{csv}"));
    world.write("t.jsonl", json);
    let card = |path: &str| world.planaria(&["inspect", path, "--json"]).with(0).json();
    let (csv, json) = (card("t.csv"), card("t.jsonl"));
    assert_eq!(csv["columns"].as_array().map(Vec::len), Some(2));
    for key in ["columns", "train", "test", "classes", "suspicious"] {
        assert_eq!(csv[key], json[key], "{key}");
    }
}

#[test]
fn what_is_no_data_set_is_refused_with_its_name() {
    let world = World::new();
    fs::create_dir(world.path("empty")).expect("a folder");
    world.planaria(&["inspect", "empty"]).with(2).says(&["empty", "what kind of data"]);
    world.planaria(&["inspect", "missing.toml"]).with(2).says(&["missing.toml"]);
}
