//! An activation once more: what stands between a value that several layers read and a layer that
//! changes it in place.

use super::step::{Backward, Layer, Own, Pass, Rows, Samples, SamplesMut};
use crate::pulse::Stopped;

/// Copies.
#[derive(Debug)]
pub(crate) struct Copy;

impl Layer for Copy {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn reads_input_again(&self) -> bool {
        false
    }

    fn forward(
        &self,
        _pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        _own: &mut Own,
    ) -> Result<(), Stopped> {
        y.assign(&x);
        Ok(())
    }

    fn backward(&self, _pass: &mut Pass, call: Backward, _own: &mut Own) -> Result<(), Stopped> {
        if let Some(mut dx) = call.dx {
            dx.assign(&call.dy);
        }
        Ok(())
    }
}
