//! A saved model on the items of a config, with no runtime alive: one after the other, in their order.

use crate::{
    cleaning::OpenError, model::SavedModel, plan::item_shape, preprocess::fitted,
    settings::PipelineSettings,
};
use planaria_data::{Limits, Source, SourceError, Split};
use planaria_learn::{Score, ndarray::Array2};
use std::{convert::Infallible, sync::Arc};

/// How many items are read and predicted at once.
const BLOCK: u64 = 64;

/// Why a model cannot be measured on a config's items.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It cannot be opened, or not be cleaned as the config says.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The model takes other images.
    #[error("the model takes {model} but the source holds {held}: name the config of its training")]
    Input {
        /// What the model takes.
        model: String,
        /// What the source holds.
        held: String,
    },
    /// The model tells fewer classes apart.
    #[error(
        "the model has {model} outputs but the source {classes} classes: name the config of its training"
    )]
    Classes {
        /// Outputs of the model.
        model: usize,
        /// Classes of the source.
        classes: usize,
    },
    /// No item of a split can be decoded.
    #[error("none of the {split} items can be read: `planaria run` says what is wrong with them")]
    NoItems {
        /// Which split.
        split: Split,
    },
}

/// A config's items, as a saved model takes them.
pub struct ItemsOfConfig {
    source: Arc<dyn Source>,
    limits: Limits,
    /// Items of the train and of the test split.
    items: [u64; 2],
}

/// Items as numbers; those that cannot be decoded are left out, as a pipeline leaves them out.
#[derive(Debug, Default)]
pub struct Items {
    /// One after the other, normalised as the model says.
    pub numbers: Vec<f32>,
    /// Their classes.
    pub labels: Vec<u8>,
}

impl ItemsOfConfig {
    /// Opens the source of the config, for this model.
    ///
    /// # Errors
    /// When the source cannot be read, or holds other images or more classes than the model's.
    pub fn open(settings: &PipelineSettings, model: &SavedModel) -> Result<Self, MeasureError> {
        let source = settings.open_cleaned()?.source;
        let (held, input) = (item_shape(&*source), model.predictor().input());
        if held != input {
            let [model, held] = [input, held].map(|shape| shape.to_string());
            return Err(MeasureError::Input { model, held });
        }
        let (model, classes) = (model.predictor().classes(), source.classes());
        if model < classes {
            return Err(MeasureError::Classes { model, classes });
        }
        let limits = [settings.train_items, settings.test_items];
        let lens = [Split::Train, Split::Test].map(|split| source.len(split));
        let items = [0, 1].map(|split| limits[split].unwrap_or(u64::MAX).min(lens[split]));
        Ok(ItemsOfConfig { source, limits: settings.limits, items })
    }

    /// How many items a split has, by the config.
    pub fn len(&self, split: Split) -> u64 {
        self.items[split as usize]
    }

    /// Reads items of a split, preprocessed as `model` says.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn read(
        &self,
        model: &SavedModel,
        split: Split,
        items: impl Iterator<Item = u64>,
    ) -> Result<Items, MeasureError> {
        let mut read = Items::default();
        for index in items {
            let raw = match self.source.read(split, index) {
                Err(SourceError::Item { .. }) => continue,
                raw => raw?,
            };
            let decoded = self.source.codec().values(&raw.bytes, &self.limits);
            let Ok(values) = decoded else { continue };
            let Ok(values) = fitted(values, &*self.source) else { continue };
            model.numbers(&values, &mut read.numbers);
            read.labels.push(raw.label);
        }
        Ok(read)
    }

    /// At most `count` training items, as far apart as they can be: of every class, where classes
    /// follow on one another.
    ///
    /// # Errors
    /// When the source cannot be read, or no item can.
    pub fn typical(&self, model: &SavedModel, count: u64) -> Result<Items, MeasureError> {
        let len = self.len(Split::Train);
        let count = count.min(len);
        let place = |item: u64| (u128::from(item) * u128::from(len) / u128::from(count)) as u64;
        let items = self.read(model, Split::Train, (0..count).map(place))?;
        if items.labels.is_empty() {
            return Err(MeasureError::NoItems { split: Split::Train });
        }
        Ok(items)
    }

    /// The score of the model on the test items.
    ///
    /// # Errors
    /// When the source cannot be read, or no item can.
    pub fn score(&self, model: &SavedModel) -> Result<Score, MeasureError> {
        let predictor = model.predictor();
        let mut workspace = predictor.workspace(BLOCK as usize);
        let mut score = Score::new(predictor.classes());
        let test = self.len(Split::Test);
        for first in (0..test).step_by(BLOCK as usize) {
            let items = self.read(model, Split::Test, first..test.min(first + BLOCK))?;
            let mut probabilities = Array2::zeros((items.labels.len(), predictor.classes()));
            let (images, found) =
                (predictor.input().samples(&items.numbers), probabilities.view_mut());
            let mut never = || Ok::<(), Infallible>(());
            let Ok(()) = predictor.predict(images, &mut workspace, found, &mut never);
            score.add(probabilities.view(), &items.labels);
        }
        if score.count == 0 {
            return Err(MeasureError::NoItems { split: Split::Test });
        }
        Ok(score)
    }
}
