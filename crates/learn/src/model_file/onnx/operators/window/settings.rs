//! How a window goes over an image or a sequence, as an operator's settings say it.

use super::super::super::OnnxError;
use super::super::super::messages::Node;
use super::super::super::source::operator_error;
use super::super::Settings;
use crate::Shape;
use crate::layer::pair::Pair;

/// How a window goes over an image, a number for every axis.
#[derive(Debug, PartialEq)]
pub(super) struct Window {
    pub(super) kernel: Vec<usize>,
    pub(super) stride: Vec<usize>,
    /// At both ends alike.
    pub(super) padding: Vec<usize>,
    pub(super) dilation: Vec<usize>,
}

impl Window {
    /// The window of a node over a value of shape `x`; `kernel` is that of its weight, if it has one.
    ///
    /// # Errors
    /// When the settings disagree, or are such as no layer here has.
    pub(super) fn read(node: &Node, kernel: &[usize], x: Shape) -> Result<Window, OnnxError> {
        let error = |problem: &str| operator_error(node, problem.to_owned());
        let sides = match x {
            Shape::Image { h, w, .. } => vec![h, w],
            Shape::Sequence { length, .. } => vec![length],
            Shape::Features(_) => vec![],
        };
        let len = sides.len();
        let stated = sizes(node, "kernel_shape", len, 0)?;
        let kernel = if kernel.is_empty() { stated.clone() } else { kernel.to_vec() };
        let is_stated = Settings(node).ints("kernel_shape").is_some();
        if len == 0 || kernel.len() != len || (is_stated && stated != kernel) {
            return Err(error("has a window that does not fit its input or its weight"));
        }
        let stride = sizes(node, "strides", len, 1)?;
        let dilation = sizes(node, "dilations", len, 1)?;
        let window = Window { kernel, stride, padding: vec![0; len], dilation };
        let padding = match Settings(node).text("auto_pad", "NOTSET") {
            b"NOTSET" => {
                let pads = sizes(node, "pads", 2 * len, 0)?;
                let (begin, end) = pads.split_at(len);
                (begin == end).then(|| begin.to_vec())
            }
            b"VALID" => Some(vec![0; len]),
            b"SAME_UPPER" | b"SAME_LOWER" => window.padding_to_keep(&sides),
            _ => return Err(error("is padded in an unknown way")),
        };
        let padding = padding
            .ok_or_else(|| error("pads one end more than the other: here both are padded alike"))?;
        let window = Window { padding, ..window };
        if Settings(node).int("ceil_mode", 0) != 0 && !window.fits(&sides) {
            return Err(error("rounds the size of its output up: here it is rounded down"));
        }
        Ok(window)
    }

    /// Kernel, stride and padding of a window over images that sees neighbours.
    pub(super) fn of_images(&self, node: &Node) -> Result<[Pair; 3], OnnxError> {
        match (&*self.kernel, &*self.stride, &*self.padding, &*self.dilation) {
            (&[h, w], &[down, across], &[top, left], &[1, 1]) => {
                Ok([Pair([h, w]), Pair([down, across]), Pair([top, left])])
            }
            _ => {
                let problem = "is not over images, or dilated: no layer here is such";
                Err(operator_error(node, problem.to_owned()))
            }
        }
    }

    /// How far the window reaches along an axis.
    fn reach(&self, axis: usize) -> Option<usize> {
        self.kernel[axis].checked_sub(1)?.checked_mul(self.dilation[axis])?.checked_add(1)
    }

    /// What must be added at both ends for an output of `side / stride`, rounded up; `None` when one
    /// end needs more than the other.
    fn padding_to_keep(&self, sides: &[usize]) -> Option<Vec<usize>> {
        let padding = (0..sides.len()).map(|axis| {
            let stride = self.stride[axis].max(1);
            let covered = (sides[axis].div_ceil(stride) - 1).checked_mul(stride)?;
            let total = covered.checked_add(self.reach(axis)?)?.saturating_sub(sides[axis]);
            (total % 2 == 0).then_some(total / 2)
        });
        padding.collect()
    }

    /// True when windows cover the padded sides without a rest.
    fn fits(&self, sides: &[usize]) -> bool {
        (0..sides.len()).all(|axis| {
            let padded = self.padding[axis].checked_mul(2).and_then(|p| p.checked_add(sides[axis]));
            let rest = padded.and_then(|padded| padded.checked_sub(self.reach(axis)?));
            rest.is_some_and(|rest| rest % self.stride[axis].max(1) == 0)
        })
    }
}

/// A setting of so many sizes, or its default.
fn sizes(node: &Node, name: &str, len: usize, default: usize) -> Result<Vec<usize>, OnnxError> {
    let Some(values) = Settings(node).ints(name) else { return Ok(vec![default; len]) };
    let values = values.iter().take(len + 1).map(|&value| usize::try_from(value).ok());
    let values: Option<Vec<usize>> = values.collect();
    values.filter(|values| values.len() == len).ok_or_else(|| {
        operator_error(node, format!("has a setting {name} that is not {len} sizes"))
    })
}
