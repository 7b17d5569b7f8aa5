//! A net that predicts with bytes, calibrated on samples: post-training quantisation.
//!
//! The float net runs over the samples once; the least and the greatest number that reaches each
//! layer make the scale of its 7-bit inputs. Weights get 8 bits, with a scale for every unit or
//! filter. Biases and what flows between layers stay float. A layer computes with bytes where that
//! is faster by its sizes, see `takes_bytes`.
//!
//! Source: Jacob et al., "Quantization and training of neural networks for efficient
//! integer-arithmetic-only inference", arXiv:1712.05877, sections 2 and 3.

use crate::compute_kernels::quantised_packing::{InputScale, column_scales, to_byte};
use crate::fold::Folded;
use crate::layer::step::slice;
use crate::model_file::{INT8, ModelError, ModelFile};
use crate::network::{InputError, Network, ParameterSpec, next_id};
use crate::pass::Run;
use crate::plan::{PlannedStep, Work};
use crate::predictor::Predictor;
use crate::pulse::{Beat, Stopped, with_pulse};
use ndarray::{ArrayView2, ArrayViewD, Axis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most terms of a sum of bytes: 32 bits hold it, and what is taken away from it.
const TERMS_MAX: usize = 1 << 16;

/// By the place of a layer: how it makes bytes of its inputs.
type Scales = BTreeMap<String, InputScale>;

/// A net whose larger layers compute with bytes. Batch normalisation is folded into the layers
/// before it, drop-out is gone.
#[derive(Debug)]
pub struct Quantised {
    network: Network,
    /// Weights that bytes stand for are rounded.
    parameters: Vec<f32>,
    scales: Scales,
}

/// Why a net cannot be calibrated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// There are no samples.
    #[error("there is no sample to calibrate on: give some hundreds")]
    NoSamples,
    /// A sample holds a number that is infinite or none.
    #[error("sample {sample} holds {value} at {place}: calibrate on finite numbers")]
    NotFinite {
        /// The sample's number.
        sample: usize,
        /// The place in the sample.
        place: usize,
        /// What is there.
        value: f32,
    },
    /// A layer of the net cannot take the samples.
    #[error(transparent)]
    Input(#[from] InputError),
    /// What reaches a layer is beyond all floats.
    #[error(
        "what reaches layer {layer} is not finite: the net's weights or the samples are broken"
    )]
    Overflow {
        /// Its place in the folded net.
        layer: String,
    },
    /// No layer is large enough.
    #[error("no layer of the net is large enough to compute with bytes: predict with floats")]
    NothingToGain,
}

impl Quantised {
    /// Makes a net of bytes out of `network` with `parameters`. The samples of `calibration` are
    /// typical ones, some hundreds of training: numbers beyond those seen are cut off.
    ///
    /// The result depends on the arguments alone, bit by bit, and so do predictions.
    ///
    /// # Errors
    /// The error of `pulse`, which is called at least every few milliseconds; and
    /// [`CalibrationError`].
    ///
    /// # Panics
    /// When the parameters are not the net's, or the samples have another shape.
    pub fn calibrate<E>(
        network: &Network,
        parameters: &[f32],
        calibration: ArrayViewD<'_, f32>,
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Result<Quantised, CalibrationError>, E> {
        let samples = network.input().rows_of(&calibration);
        if let Err(error) = check(network, samples, calibration) {
            return Ok(Err(error));
        }
        let predictor = Predictor::new(network, parameters);
        let ranges = with_pulse(pulse, |beat| predictor.input_ranges(samples, beat))?;
        Ok(Quantised::of_ranges(network, &predictor, ranges))
    }

    /// The net of these ranges of inputs, by the place of a layer.
    fn of_ranges(
        network: &Network,
        predictor: &Predictor,
        ranges: BTreeMap<String, [f32; 2]>,
    ) -> Result<Quantised, CalibrationError> {
        let mut scales = Scales::new();
        for (layer, [min, max]) in ranges {
            let scale = InputScale::of(min, max);
            if !(min.is_finite() && max.is_finite() && scale.is_usable()) {
                return Err(CalibrationError::Overflow { layer });
            }
            scales.insert(layer, scale);
        }
        let folded = &predictor.folded;
        let network = Network::new(network.input(), &folded.layers)
            .expect("a folded net is a net")
            .with_isa(network.isa());
        let (_, refused) = with_scales(&network, &scales);
        scales.retain(|place, _| !refused.contains_key(place));
        if scales.is_empty() {
            return Err(CalibrationError::NothingToGain);
        }
        let mut net = Quantised { network, parameters: predictor.parameters.clone(), scales };
        net.round_weights();
        Ok(net)
    }

    /// Replaces weights by those that their bytes stand for.
    fn round_weights(&mut self) {
        let is_of_bytes = |spec: &&ParameterSpec| is_of_bytes(&self.scales, spec);
        for spec in self.network.parameters().iter().filter(is_of_bytes) {
            let weight = &mut self.parameters[spec.range()];
            let scales = column_scales(weight, spec.shape[spec.shape.len() - 1]);
            for row in weight.chunks_exact_mut(scales.len()) {
                for (w, scale) in row.iter_mut().zip(&scales) {
                    *w = f32::from(to_byte(*w, *scale)) * scale;
                }
            }
        }
    }

    /// The net that these are the parameters of, as one of floats.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The parameters; weights that bytes stand for are rounded.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The places of the layers that compute with bytes.
    pub fn layers(&self) -> Vec<&str> {
        self.scales.keys().map(String::as_str).collect()
    }

    /// Makes it ready to predict.
    pub fn predictor(&self) -> Predictor {
        let (folded, _) = with_scales(&self.network, &self.scales);
        Predictor::of(Arc::new(folded), next_id(), &self.network, &self.parameters)
    }

    /// True for a weight that bytes stand for.
    pub(crate) fn is_of_bytes(&self, spec: &ParameterSpec) -> bool {
        is_of_bytes(&self.scales, spec)
    }

    /// What a file says of the inputs.
    pub(crate) fn scales_text(&self) -> Result<String, ModelError> {
        serde_json::to_string(&self.scales).map_err(ModelError::Net)
    }
}

impl Predictor {
    /// Makes the net of a file ready to predict: with bytes where the file says so, else with
    /// floats.
    ///
    /// # Errors
    /// [`ModelError::Int8`] when what the file says of its bytes cannot be.
    ///
    /// # Panics
    /// When the file's parameters are not the net's.
    pub fn of_file(network: &Network, file: &ModelFile) -> Result<Predictor, ModelError> {
        let Some(text) = file.metadata.get(INT8) else {
            return Ok(Predictor::new(network, &file.parameters));
        };
        let unusable = |reason: String| ModelError::Int8 { reason };
        let scales: Scales =
            serde_json::from_str(text).map_err(|error| unusable(error.to_string()))?;
        if let Some((place, scale)) = scales.iter().find(|(_, scale)| !scale.is_usable()) {
            return Err(unusable(format!("layer {place}: no bytes by {scale:?}")));
        }
        let unfit = |place: &&String| {
            !network.parameters().iter().any(|spec| place_of(spec) == Some(place.as_str()))
        };
        let missing = scales.keys().find(unfit).cloned();
        let (folded, mut refused) = with_scales(network, &scales);
        if let Some(place) = missing.or_else(|| refused.pop_first().map(|(place, _)| place)) {
            return Err(unusable(format!("layer {place} is none that computes with bytes")));
        }
        Ok(Predictor::of(Arc::new(folded), next_id(), network, &file.parameters))
    }

    /// The least and the greatest number, and 0, that reach every layer that may compute with
    /// bytes, by its place.
    fn input_ranges(
        &self,
        samples: ArrayView2<f32>,
        beat: &mut Beat,
    ) -> Result<BTreeMap<String, [f32; 2]>, Stopped> {
        let Predictor { folded, parameters, prepared, isa, .. } = self;
        let Folded { plan, tensors, .. } = &**folded;
        let mut workspace = self.workspace(1);
        let mut ranges = BTreeMap::new();
        for sample in samples.axis_chunks_iter(Axis(0), 1) {
            let (isa, draws, samples) = (*isa, None, 1);
            let (memory, beat) = (&mut workspace.memory, &mut *beat);
            let mut run =
                Run { plan, tensors, isa, parameters, prepared, draws, samples, memory, beat };
            run.forward(sample)?;
            // Values have memory of their own: after the pass each holds what was read of it.
            for step in &plan.steps {
                let Some(place) = place(step, tensors) else { continue };
                let range = ranges.entry(place.to_owned()).or_insert([0.0; 2]);
                for x in workspace.memory.slots[step.x].rows(0, 1) {
                    // What is no number is not forgotten.
                    let x = if x.is_nan() { f32::INFINITY } else { *x };
                    *range = [x.min(range[0]), x.max(range[1])];
                }
            }
        }
        Ok(ranges)
    }
}

/// How the net predicts with these scales, and those that no layer took.
fn with_scales(network: &Network, scales: &Scales) -> (Folded, Scales) {
    let (input, layers, tensors) = (network.input(), network.layers(), network.parameters());
    Folded::with_input_scales(input, layers, tensors, scales.clone())
        .expect("the same layers make a net of floats")
}

/// # Errors
/// When there are no samples, or some that the net cannot take.
fn check(
    network: &Network,
    rows: ArrayView2<f32>,
    samples: ArrayViewD<'_, f32>,
) -> Result<(), CalibrationError> {
    if rows.nrows() == 0 {
        return Err(CalibrationError::NoSamples);
    }
    for (sample, row) in rows.outer_iter().enumerate() {
        let row = slice(row);
        if let Some(place) = row.iter().position(|value| !value.is_finite()) {
            return Err(CalibrationError::NotFinite { sample, place, value: row[place] });
        }
    }
    Ok(network.check_input(samples)?)
}

/// The place in the folded net of a layer that may compute with bytes.
fn place<'a>(step: &PlannedStep, tensors: &'a [ParameterSpec]) -> Option<&'a str> {
    let spec = tensors[step.tensors.clone()].first()?;
    matches!(step.work, Work::Map(_)).then(|| place_of(spec)).flatten()
}

/// The place of the layer whose weight this is, if it may compute with bytes.
fn place_of(spec: &ParameterSpec) -> Option<&str> {
    spec.name.strip_suffix(".weight").filter(|_| takes_bytes(&spec.shape))
}

fn is_of_bytes(scales: &Scales, spec: &ParameterSpec) -> bool {
    place_of(spec).is_some_and(|place| scales.contains_key(place))
}

/// Whether a layer whose weight has this shape computes with bytes.
///
/// The rule looks at sizes alone, so that every CPU gives the same answers. With AVX-512 it is the
/// faster way for each of these; with AVX2 Winograd's algorithm on floats is as fast for 3x3. See
/// `docs/measurements/2026-11-23-inference.md`.
fn takes_bytes(shape: &[usize]) -> bool {
    match *shape {
        [inputs, units] => (64..=TERMS_MAX).contains(&inputs) && units >= 16,
        [kernel_rows, kernel_columns, c, f] => {
            let run = kernel_columns * c;
            run >= 16 && kernel_rows * run <= TERMS_MAX && f >= 16
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
