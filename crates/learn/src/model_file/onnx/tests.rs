//! Nets written and read back, and files that are no nets.

mod changed_graphs;

use super::messages::{Graph, Node, Tensor, ValueInfo};
use super::*;
use crate::layer::average_pool::AveragePool;
use crate::layer::global_pool::{GlobalPool, Take};
use crate::layer::{
    LayerSpec, batch_norm::BatchNorm, concat::Concat, conv1d::Conv1d, conv2d::Conv2d, dense::Dense,
    embedding::Embedding, flatten::Flatten, gelu::Approximate, gelu::Gelu, layer_norm::LayerNorm,
    max_pool::MaxPool, pair::Pair, relu::Relu, residual::Residual, sigmoid::Sigmoid, silu::Silu,
    softmax::Softmax, tanh::Tanh,
};
use crate::{PRESETS, Shape};
use proptest::prelude::*;

const IMAGE: Shape = Shape::Image { h: 8, w: 9, c: 2 };

fn convolution(filters: usize) -> LayerSpec {
    Conv2d::square(filters, 3).into()
}

fn relu() -> LayerSpec {
    Relu {}.into()
}

/// Nets that are written so that they can be read back.
fn nets() -> Vec<(Shape, Vec<LayerSpec>)> {
    let norm = || LayerSpec::from(BatchNorm { epsilon: 1e-3, ..BatchNorm::default() });
    let body = vec![norm(), relu()];
    let inner = Residual { body: vec![norm(), relu()], shortcut: Vec::new() };
    let shortcut = vec![norm()];
    let branches = vec![vec![convolution(3)], vec![convolution(1), relu()]];
    let blocks = vec![
        Residual { body: body.clone(), shortcut: Vec::new() }.into(),
        Residual { body: vec![inner.into(), relu()], shortcut }.into(),
        Concat { branches }.into(),
        Concat { branches: vec![Vec::new(), vec![norm()]] }.into(),
        MaxPool { padding: Pair([0, 1]), ..MaxPool::default() }.into(),
        Flatten {}.into(),
        relu(),
        Dense { units: 7, bias: false }.into(),
        Residual { body: vec![Dense::new(7).into(), relu()], shortcut: Vec::new() }.into(),
        Dense::new(3).into(),
    ];
    let norm_of_places = || LayerSpec::from(LayerNorm { epsilon: 1e-3 });
    let gelu = |approximate| LayerSpec::from(Gelu { approximate });
    let convolution_of_groups = Conv2d {
        stride: Pair([2, 1]),
        padding: Pair([1, 0]),
        dilation: Pair([1, 2]),
        groups: 2,
        bias: false,
        ..Conv2d::square(4, 3)
    };
    let smooth = vec![
        convolution_of_groups.into(),
        norm_of_places(),
        gelu(Approximate::None),
        Residual { body: vec![gelu(Approximate::Tanh), Silu {}.into()], shortcut: vec![] }.into(),
        Softmax {}.into(),
        Flatten {}.into(),
        norm(),
        norm_of_places(),
        Tanh {}.into(),
        Dense::new(6).into(),
        Sigmoid {}.into(),
        Softmax {}.into(),
        Dense::new(3).into(),
    ];
    let words = vec![
        Embedding { ids: 5, channels: 3 }.into(),
        norm_of_places(),
        Conv1d { stride: 2, padding: 1, bias: false, ..Conv1d::new(4, 3) }.into(),
        Silu {}.into(),
        Flatten {}.into(),
        Dense::new(2).into(),
    ];
    let (kernel, stride, padding) = (Pair([3, 2]), Some(Pair::same(1)), Pair::same(1));
    let pools = vec![
        AveragePool { kernel, stride, padding, count_padding: true }.into(),
        AveragePool { kernel, stride: None, padding, count_padding: false }.into(),
        GlobalPool { take: Take::Max }.into(),
        GlobalPool { take: Take::Average }.into(),
        Flatten {}.into(),
    ];
    let pooled_words =
        vec![Embedding { ids: 2, channels: 3 }.into(), GlobalPool { take: Take::Average }.into()];
    let mut nets = vec![
        (IMAGE, pools),
        (Shape::Features(4), pooled_words),
        (IMAGE, blocks),
        (IMAGE, smooth),
        (Shape::Features(4), words),
        (Shape::Features(5), vec![Dense::new(2).into()]),
        (
            IMAGE,
            vec![
                Conv2d { bias: false, ..Conv2d::square(4, 1) }.into(),
                Flatten {}.into(),
                Dense::new(2).into(),
            ],
        ),
    ];
    nets.extend(PRESETS.iter().map(|preset| (preset.input, (preset.layers)())));
    nets
}

/// The layers as they come back: drop-out is not written.
fn without_dropout(layers: &[LayerSpec]) -> Vec<LayerSpec> {
    layers.iter().filter(|layer| !matches!(layer, LayerSpec::Dropout(_))).cloned().collect()
}

fn small() -> (Network, Vec<f32>) {
    let layers = [convolution(2), relu(), Flatten {}.into(), Dense::new(2).into()];
    let network = Network::new(Shape::Image { h: 4, w: 4, c: 1 }, &layers).unwrap();
    let parameters = network.initial_parameters(3);
    (network, parameters)
}

fn small_model() -> Model {
    let (network, parameters) = small();
    Model::decode(&*encode(&network, &parameters, &BTreeMap::new()).unwrap()).unwrap()
}

/// The error of a model that was changed.
fn refused(change: impl FnOnce(&mut Model, &mut Graph)) -> String {
    let mut model = small_model();
    let mut graph = model.graph.take().unwrap();
    change(&mut model, &mut graph);
    model.graph = Some(graph);
    let error = decode(&model.encode_to_vec()).unwrap_err();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

#[test]
fn a_net_comes_back_as_it_was() {
    for (input, layers) in nets() {
        let network = Network::new(input, &layers).unwrap();
        let parameters = network.initial_parameters(1);
        let metadata = BTreeMap::from([("preprocessing".to_owned(), "none".to_owned())]);
        let bytes = encode(&network, &parameters, &metadata).unwrap();
        let (read, file) = decode(&bytes).unwrap_or_else(|error| panic!("{layers:?}: {error}"));
        let mut expected = without_dropout(&layers);
        if let [.., LayerSpec::GlobalPool(_)] = &*expected {
            // A sequence's one place is flattened away; features stay as they are.
            expected.push(Flatten {}.into());
        }
        assert_eq!(read.layers(), expected);
        assert_eq!(file, ModelFile { metadata, parameters });
        assert_eq!(encode(&network, &file.parameters, &file.metadata).unwrap(), bytes);
    }
}

#[test]
fn features_that_our_order_mixes_are_turned_before_a_block_reads_them() {
    let block = Residual { body: vec![Dense::new(4).into()], shortcut: vec![Dense::new(4).into()] };
    let layers = [Flatten {}.into(), block.into()];
    let network = Network::new(Shape::Image { h: 3, w: 1, c: 2 }, &layers).unwrap();
    let parameters = network.initial_parameters(1);
    let graph = write::graph(&network, &parameters).unwrap();
    let operators: Vec<&str> = graph.node.iter().map(|node| &*node.op_type).collect();
    let turned = ["Flatten", "Reshape", "Transpose", "Flatten", "Gemm", "Gemm", "Add"];
    assert_eq!(operators, turned);
    let weight = graph.initializer.iter().find(|tensor| tensor.name == "1.body.0.weight").unwrap();
    let ours = network.tensor(&parameters, "1.body.0.weight").unwrap().reversed_axes();
    let ours: Vec<f32> = ours.iter().copied().collect();
    assert_eq!(numbers::floats(weight).unwrap(), ours);
}

#[test]
fn parameters_that_are_not_finite_are_refused_both_ways() {
    let (network, mut parameters) = small();
    parameters[3] = f32::NAN;
    assert!(encode(&network, &parameters, &BTreeMap::new()).is_err());
    let error = refused(|_, graph| graph.initializer[0].raw_data[..4].fill(255));
    assert!(error.contains("tensor `0.weight` holds NaN at 0"), "{error}");
}

#[test]
fn all_operators_that_are_not_known_are_named_at_once() {
    let error = refused(|_, graph| {
        graph.node[0].op_type = "LSTM".into();
        graph.node[1].op_type = "Einsum".into();
        graph.node[2].op_type = "LSTM".into();
        graph.node[3].domain = "com.microsoft".into();
    });
    assert_eq!(
        error,
        "operators are not known here: Einsum (node \"layer.1\"), 2 x LSTM (first: node \
         \"layer.0\"), com.microsoft::Gemm (node \"layer.3\")"
    );
}

#[test]
fn tensors_in_other_files_are_refused_wherever_they_stand() {
    let external = |tensor: &mut Tensor| {
        let (key, value) = ("location".to_owned(), "../../etc/passwd".to_owned());
        tensor.external_data = vec![Entry { key, value }];
    };
    let located = refused(|_, graph| graph.initializer[0].data_location = 1);
    let listed = refused(|_, graph| external(&mut graph.initializer[0]));
    for error in [located, listed] {
        assert!(error.starts_with("tensor \"0.weight\" lies in another file"), "{error}");
    }
    let constant = refused(|_, graph| {
        let mut tensor = Tensor::default();
        external(&mut tensor);
        let value = messages::Attribute {
            name: "value".into(),
            t: Some(tensor),
            ..messages::Attribute::default()
        };
        graph.node.push(Node {
            op_type: "Constant".into(),
            attribute: vec![value],
            ..Node::default()
        });
    });
    assert!(constant.contains("lies in another file"), "{constant}");
}

#[test]
fn models_with_more_than_a_plain_graph_are_refused() {
    let opset = |found| refused(|model, _| model.opset_import[0].version = found);
    assert!(opset(8).starts_with("the model uses opset 8"));
    assert!(opset(29).starts_with("the model uses opset 29"));
    assert!(refused(|model, _| model.opset_import.clear()).contains("opset 0"));
    let error = refused(|model, _| model.functions = vec![messages::Unread {}]);
    assert!(error.contains("defines operators of its own"), "{error}");
    let error = refused(|_, graph| graph.sparse_initializer = vec![messages::Unread {}]);
    assert!(error.contains("has sparse tensors"), "{error}");
    assert!(decode(&Model::default().encode_to_vec()).is_err());
}

#[test]
fn inputs_and_outputs_that_are_no_batch_are_refused() {
    let second = || ValueInfo { name: "more".into(), ..ValueInfo::default() };
    let error = refused(|_, graph| graph.input.push(second()));
    assert!(error.contains("has not one input and one output"), "{error}");
    let error = refused(|_, graph| graph.output.clear());
    assert!(error.contains("has not one input and one output"), "{error}");
    let with_shape = |change: fn(&mut messages::TensorType)| {
        refused(|_, graph| {
            let kind = graph.input[0].r#type.as_mut().unwrap();
            change(kind.tensor_type.as_mut().unwrap());
        })
    };
    assert!(with_shape(|tensor| tensor.elem_type = 7).contains("is not of float32"));
    assert!(with_shape(|tensor| tensor.shape = None).contains("it needs 4, 3 or 2 axes"));
    let open = with_shape(|tensor| tensor.shape.as_mut().unwrap().dim[2].dim_value = None);
    assert!(open.contains("has a side of unknown length"), "{open}");
    let huge = with_shape(|tensor| tensor.shape.as_mut().unwrap().dim[2].dim_value = Some(1 << 60));
    assert!(huge.contains("does not fit here"), "{huge}");
}

#[test]
fn graphs_whose_names_do_not_fit_are_refused() {
    let error = refused(|_, graph| graph.node[1].input[0] = "nowhere".into());
    assert!(error.contains("reads \"nowhere\", which nothing before it makes"), "{error}");
    let error = refused(|_, graph| graph.node.swap(0, 1));
    assert!(error.contains("which nothing before it makes"), "{error}");
    let error = refused(|_, graph| graph.node[1].output[0] = "layer.0".into());
    assert!(error.contains("which is made already"), "{error}");
    let error = refused(|_, graph| graph.output[0].name = "layer.1".into());
    assert!(error.contains("has an output that operators read, too"), "{error}");
    let error = refused(|_, graph| graph.output[0].name = "nowhere".into());
    assert!(error.contains("leads nowhere"), "{error}");
    let error = refused(|_, graph| graph.node[0].input.truncate(1));
    assert!(error.contains("takes \"\" as its input 1"), "{error}");
    let error = refused(|_, graph| graph.node[0].input.swap(0, 1));
    assert!(error.contains("does not take what flows as its input 0"), "{error}");
}

#[test]
fn shapes_that_do_not_fit_are_refused_with_the_name_of_the_tensor() {
    let error = refused(|_, graph| graph.initializer[2].dims = vec![4, 4]);
    assert!(error.contains("tensor `3.weight` is [4, 4], the net needs [4, 8]"), "{error}");
    let error = refused(|_, graph| graph.initializer[0].dims = vec![18]);
    assert!(error.contains("has a weight of fewer than 3 axes"), "{error}");
    let error = refused(|_, graph| graph.initializer[1].dims = vec![3]);
    assert!(error.contains("has 2 numbers, but its shape [3] needs 3"), "{error}");
}

#[test]
fn operators_that_mean_something_else_are_refused() {
    let with = |operator: &str, attribute: messages::Attribute, opset: i64| {
        refused(|model, graph| {
            model.opset_import[0].version = opset;
            let node = &mut graph.node[1];
            node.op_type = operator.to_owned();
            node.attribute = vec![attribute];
        })
    };
    let axis = |axis| write::int("axis", axis);
    for error in [with("Softmax", axis(2), 17), with("Softmax", axis(1), 12)] {
        assert!(error.contains("only along the channels"), "{error}");
    }
    assert!(with("Transpose", write::ints("perm", &[0, 3, 2, 1]), 17).contains("turns axes"));
    assert!(with("Flatten", axis(2), 17).contains("flattens from axis 2"));
    let training = with("BatchNormalization", write::int("training_mode", 1), 17);
    assert!(training.contains("model.eval()"), "{training}");
    assert!(with("MaxPool", write::ints("kernel_shape", &[9, 9]), 17).contains("does not fit"));
    let mean = with("ReduceMean", write::ints("axes", &[1]), 17);
    assert!(mean.contains("not over all places"), "{mean}");
}

#[test]
fn branches_that_never_meet_are_refused() {
    let error = refused(|_, graph| {
        let mut aside = graph.node[1].clone();
        aside.output = vec!["aside".into()];
        graph.node.insert(2, aside);
    });
    assert!(error.contains("leads nowhere"), "{error}");
    let error = refused(|_, graph| {
        let add = Node {
            op_type: "Add".into(),
            input: vec!["layer.0".into(), "layer.0".into()],
            output: vec!["sum".into()],
            ..Node::default()
        };
        graph.node[1].input[0] = "sum".into();
        graph.node.insert(1, add);
    });
    assert!(error.contains("they do not part anywhere before it"), "{error}");
}

#[test]
fn every_cut_is_refused() {
    let (network, parameters) = small();
    let metadata = BTreeMap::from([("preprocessing".to_owned(), "none".to_owned())]);
    let bytes = encode(&network, &parameters, &metadata).unwrap();
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_change_of_a_byte_makes_reading_panic(place in 0.0f64..1.0, byte in any::<u8>()) {
        let (network, parameters) = small();
        let mut bytes = encode(&network, &parameters, &BTreeMap::new()).unwrap();
        let at = (place * bytes.len() as f64) as usize;
        bytes[at] = byte;
        if let Ok((network, file)) = decode(&bytes) {
            prop_assert_eq!(network.parameter_count(), file.parameters.len());
        }
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err());
    }
}
