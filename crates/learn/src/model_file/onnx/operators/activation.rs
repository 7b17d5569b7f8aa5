//! Activations that are several operators in opset 17, and softmax.

use super::super::OnnxError;
use super::super::messages::Node;
use super::super::read::{Flow, Reader, Step};
use super::super::source::operator_error;
use super::super::write::{self, Writer};
use super::{Settings, one};
use crate::Shape;
use crate::layer::gelu::{Approximate, Gelu};
use crate::layer::softmax::Softmax;

/// The factor of the cube in the approximation of GELU, and that of the sum.
pub(super) const CUBE: f32 = 0.044_715;
pub(super) const SQRT_2_OVER_PI: f32 = 0.797_884_6;

/// `x * sigmoid(x)`.
pub(super) fn write_silu(writer: &mut Writer, path: &str, x: &write::Flow) -> String {
    let sigmoid = writer.node("Sigmoid", &[&x.name], &format!("{path}.sigmoid"), vec![]);
    writer.node("Mul", &[&x.name, &sigmoid], path, vec![])
}

/// `x * (1 + erf(x / sqrt(2))) * 0.5`, or with the hyperbolic tangent in its place.
pub(super) fn write_gelu(writer: &mut Writer, path: &str, layer: &Gelu, x: &write::Flow) -> String {
    let at = |part: &str| format!("{path}.{part}");
    let x = &*x.name;
    let bend = match layer.approximate {
        Approximate::None => {
            let root = writer.scalar(&at("sqrt_2"), std::f32::consts::SQRT_2);
            let scaled = writer.node("Div", &[x, &root], &at("scaled"), vec![]);
            writer.node("Erf", &[&scaled], &at("erf"), vec![])
        }
        Approximate::Tanh => {
            let (factor, root) = (at("factor"), at("sqrt_2_over_pi"));
            let [factor, root] =
                [(factor, CUBE), (root, SQRT_2_OVER_PI)].map(|(name, x)| writer.scalar(&name, x));
            let square = writer.node("Mul", &[x, x], &at("square"), vec![]);
            let cube = writer.node("Mul", &[x, &square], &at("cube"), vec![]);
            let cube = writer.node("Mul", &[&cube, &factor], &at("small_cube"), vec![]);
            let sum = writer.node("Add", &[x, &cube], &at("sum"), vec![]);
            let scaled = writer.node("Mul", &[&sum, &root], &at("scaled"), vec![]);
            writer.node("Tanh", &[&scaled], &at("tanh"), vec![])
        }
    };
    let [unit, half] =
        [("one", 1.0), ("half", 0.5)].map(|(name, value)| writer.scalar(&at(name), value));
    let gate = writer.node("Add", &[&bend, &unit], &at("gate"), vec![]);
    let gated = writer.node("Mul", &[x, &gate], &at("gated"), vec![]);
    writer.node("Mul", &[&gated, &half], path, vec![])
}

pub(super) fn read_gelu<'a>(node: &'a Node, y: Flow<'a>) -> Result<Step<'a>, OnnxError> {
    let approximate = match Settings(node).text("approximate", "none") {
        b"none" => Approximate::None,
        b"tanh" => Approximate::Tanh,
        _ => return Err(operator_error(node, "is approximated in an unknown way".to_owned())),
    };
    Ok(one(Gelu { approximate }.into(), y))
}

pub(super) fn read_softmax<'a>(
    reader: &Reader<'_, 'a>,
    node: &'a Node,
    y: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    // Before opset 13 it went over all axes from `axis` on: the same for features alone.
    let goes_on = reader.source.opset < 13 && !matches!(y.shape, Shape::Features(_));
    let axis = Settings(node).int("axis", -1);
    if y.is_channel_axis(axis) && !goes_on {
        return Ok(one(Softmax {}.into(), y));
    }
    let problem = format!("goes along axis {axis}: only along the channels it is a layer here");
    Err(operator_error(node, problem))
}
