//! Graphs that are whole messages and yet make no sense: other operators, other inputs, nodes twice
//! or not at all, settings and shapes of any number.

use super::super::*;
use super::{nets, refused};
use crate::PRESETS;
use crate::model_file::onnx::messages::{Graph, Node};
use planaria_random::{Purpose, Stream};
use proptest::prelude::*;

/// Numbers that sizes and places are made of where it hurts.
const SHARP: [i64; 10] = [0, 1, 2, 3, -1, 7, 1 << 20, 1 << 40, i64::MAX, i64::MIN];

fn choose<'a, T>(stream: &mut Stream, from: &'a [T]) -> &'a T {
    &from[stream.next_below(from.len() as u32) as usize]
}

/// Changes one thing of the graph.
fn change(graph: &mut Graph, stream: &mut Stream) {
    let mut names: Vec<String> = graph.node.iter().flat_map(|node| node.output.clone()).collect();
    names.extend(graph.initializer.iter().map(|tensor| tensor.name.clone()));
    names.push("images".to_owned());
    let count = graph.node.len() as u32;
    let at = stream.next_below(count.max(1)) as usize;
    let Some(node) = graph.node.get_mut(at) else { return };
    match stream.next_below(9) {
        0 => node.op_type = (*choose(stream, OPERATORS)).to_owned(),
        1 | 2 => {
            let name = choose(stream, &names).clone();
            let place = stream.next_below(node.input.len() as u32 + 1) as usize;
            node.input.truncate(place.max(1));
            node.input.push(name);
        }
        3 => drop(node.input.pop()),
        4 => {
            let copy = Node { output: vec![format!("copy {at}")], ..node.clone() };
            graph.node.insert(at + 1, copy);
        }
        5 => drop(graph.node.remove(at)),
        6 => {
            for attribute in &mut node.attribute {
                attribute.i = attribute.i.map(|_| *choose(stream, &SHARP));
                for number in &mut attribute.ints {
                    if stream.next_below(2) == 0 {
                        *number = *choose(stream, &SHARP);
                    }
                }
            }
        }
        7 => {
            let place = stream.next_below(graph.initializer.len().max(1) as u32) as usize;
            if let Some(tensor) = graph.initializer.get_mut(place) {
                tensor.dims.truncate(stream.next_below(4) as usize);
                tensor.dims.push(*choose(stream, &SHARP));
            }
        }
        _ => graph.output[0].name = choose(stream, &names).clone(),
    }
}

#[test]
fn sizes_without_end_are_refused() {
    for (setting, number) in [("pads", i64::MAX), ("strides", 0), ("dilations", i64::MAX)] {
        let error = refused(|_, graph| {
            let settings = graph.node[0].attribute.iter_mut();
            settings.filter(|s| s.name == setting).for_each(|s| s.ints.fill(number));
        });
        assert!(error.contains("Conv (node \"layer.0\")"), "{setting}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_change_of_a_graph_makes_reading_panic(seed in any::<u64>(), changes in 1usize..6) {
        let mut stream = Stream::new(seed, Purpose::Chaos, 0, 0);
        // The last are presets, which are large; what is tested here is the graph.
        let all = nets();
        let (input, layers) = choose(&mut stream, &all[..all.len() - PRESETS.len()]);
        let network = Network::new(*input, layers).unwrap();
        let mut graph = write::graph(&network, &network.initial_parameters(1)).unwrap();
        for _ in 0..changes {
            change(&mut graph, &mut stream);
        }
        let opset_import = vec![OperatorSet { domain: String::new(), version: OPSET }];
        let model = Model { graph: Some(graph), opset_import, ..Model::default() };
        if let Ok((network, file)) = decode(&model.encode_to_vec()) {
            prop_assert_eq!(network.parameter_count(), file.parameters.len());
        }
    }
}
