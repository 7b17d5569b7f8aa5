//! What a smaller model costs: both models on the test items of a config.

use planaria_learn::Score;
use planaria_stages::{ItemsOfConfig, PipelineSettings, SavedModel};
use std::path::Path;

use super::{CommandError, checked_config};
use crate::{cli::Overrides, views};

/// A config whose test items models are measured on.
pub(super) struct Measure(PipelineSettings);

impl Measure {
    /// Reads and checks the config.
    pub(super) fn by_config(config: &Path) -> Result<Measure, CommandError> {
        Ok(Measure(checked_config(config, &Overrides::default())?.pipeline))
    }

    /// The items of the config, for this model.
    pub(super) fn items(&self, model: &SavedModel) -> Result<ItemsOfConfig, CommandError> {
        Ok(ItemsOfConfig::open(&self.0, model)?)
    }

    /// Says how accurate both model files are, how large, and what is between them.
    pub(super) fn compare(&self, before: &Path, after: &Path) -> Result<(), CommandError> {
        let [before, after] = [before, after].map(|path| self.line(path));
        let ((first, was), (second, is)) = (before?, after?);
        let points = 100.0 * (is.accuracy() - was.accuracy());
        let items = was.count;
        Ok(views::answer(&format!(
            "{first}\n{second}\naccuracy on {items} test items: {points:+.2} points"
        ))?)
    }

    /// What to say of one model, and its score.
    fn line(&self, path: &Path) -> Result<(String, Score), CommandError> {
        let model = SavedModel::open(path)?;
        let score = self.items(&model)?.score(&model)?;
        let bytes = std::fs::metadata(path).map_err(CommandError::Answer)?.len();
        let percent = 100.0 * score.accuracy();
        Ok((format!("{}: {bytes} bytes, {percent:.2} % right", path.display()), score))
    }
}
