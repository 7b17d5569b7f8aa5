//! PyTorch's layouts of tensors beside ours.

use crate::ParameterSpec;
use crate::layer::step::Layout;
use ndarray::{ArrayBase, IxDyn, RawData};

/// The tensor's shape in the file.
pub(super) fn shape_in_file(spec: &ParameterSpec) -> Vec<usize> {
    match (spec.layout, &*spec.shape) {
        (Layout::Convolution, [kernel @ .., c, f]) => [&[*f, *c], kernel].concat(),
        (Layout::Dense { .. }, [d, u]) => vec![*u, *d],
        (_, shape) => shape.to_vec(),
    }
}

/// A tensor of ours with its axes in the file's order; that of a dense layer as `[U, C, H * W]`.
pub(super) fn in_file<S: RawData<Elem = f32>>(
    spec: &ParameterSpec,
    ours: ArrayBase<S, IxDyn>,
) -> ArrayBase<S, IxDyn> {
    match spec.layout {
        Layout::Same => ours,
        Layout::Channels { places, c } => ours
            .into_shape_with_order(&[places, c][..])
            .expect("a number for every feature is contiguous")
            .reversed_axes(),
        Layout::Convolution => {
            let kernel = ours.ndim() - 2;
            let axes: Vec<usize> = [kernel + 1, kernel].into_iter().chain(0..kernel).collect();
            ours.permuted_axes(axes)
        }
        Layout::Dense { places, c } => {
            let units = spec.shape[1];
            ours.into_shape_with_order(&[places, c, units][..])
                .expect("a weight is contiguous")
                .reversed_axes()
        }
    }
}
