//! What `docs/layers.md` says of the layers is true: all are there, and their examples can be read.

use planaria_learn::{LAYERS, LayerSpec};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/layers.md");

/// The kind and the text of every section about a layer.
fn sections(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("\n### `").skip(1);
    parts.map(|part| part.split_once('`').expect("a kind ends with a backtick")).collect()
}

/// The TOML blocks of a text.
fn examples(text: &str) -> Vec<toml::Table> {
    let blocks = text.split("```toml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().expect("a block has an end"));
    blocks.map(|block| block.parse().unwrap_or_else(|error| panic!("{block}{error}"))).collect()
}

#[test]
fn the_page_of_layers_has_every_layer_with_an_example_that_can_be_read() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let sections = sections(&page);
    let mut kinds: Vec<&str> = sections.iter().map(|(kind, _)| *kind).collect();
    let mut expected = LAYERS.to_vec();
    kinds.sort_unstable();
    expected.sort_unstable();
    assert_eq!(kinds, expected);
    for (kind, text) in sections {
        let [example] = &examples(text)[..] else { panic!("{kind} has one example") };
        let layer: LayerSpec = example["layer"].clone().try_into().unwrap();
        assert_eq!(layer.kind(), kind);
        let settings = serde_json::to_value(&layer).unwrap();
        for setting in settings.as_object().unwrap().keys().filter(|key| *key != "kind") {
            assert!(text.contains(&format!("`{setting}")), "{kind} explains {setting}");
        }
    }
}

#[test]
fn the_net_that_the_page_of_layers_begins_with_is_one() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let net = &examples(&page)[0]["network"];
    let layers: Vec<LayerSpec> = net["layers"].clone().try_into().unwrap();
    let input = planaria_learn::Shape::Image { h: 32, w: 32, c: 3 };
    assert_eq!(net["input"].clone().try_into::<[usize; 3]>().unwrap(), [32, 32, 3]);
    assert_eq!(planaria_learn::Network::new(input, &layers).unwrap().classes(), 10);
}
