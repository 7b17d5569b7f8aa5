//! `planaria quantise`: a model that computes with bytes, and what that costs.

use planaria_learn::{Quantised, model_file};
use planaria_stages::SavedModel;
use std::convert::Infallible;

use super::{
    CommandError,
    measure::Measure,
    model_files::{Format, counted, in_model, save},
};
use crate::{cli::QuantiseArgs, views};

/// Calibrates a model on training items of a config, writes it, and measures both.
pub(super) fn quantise(args: &QuantiseArgs) -> Result<(), CommandError> {
    if Format::of(&args.out)? != Format::Safetensors {
        return Err(CommandError::NoModelEnding { path: args.out.clone() });
    }
    let measure = Measure::by_config(&args.calibrate)?;
    let model = SavedModel::open(&args.model)?;
    if model.metadata().contains_key(model_file::INT8) {
        return Err(CommandError::Quantised { path: args.model.clone() });
    }
    let items = measure.items(&model)?.typical(&model, args.items)?;
    let samples = model.network().input().samples(&items.numbers);
    let mut never = || Ok::<(), Infallible>(());
    let Ok(net) = Quantised::calibrate(model.network(), model.parameters(), samples, &mut never);
    let net = net?;
    let bytes = model_file::encode_quantised(&net, model.metadata())
        .map_err(|error| in_model(&args.model, error.into()))?;
    save(&args.out, &bytes)?;
    let (what, out) = (counted(net.network(), net.parameters()), args.out.display());
    let (layers, items) = (net.layers().join(", "), items.labels.len());
    views::answer(&format!(
        "{out}: {what}\ncalibrated on {items} items; with bytes compute layers {layers}"
    ))?;
    measure.compare(&args.model, &args.out)
}
