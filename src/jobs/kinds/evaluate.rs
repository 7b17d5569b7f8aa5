//! `evaluate`: the score of a model on a config's test items.

use planaria_stages::{ItemsOfConfig, SavedModel, ScoreResult};
use serde_json::json;

use super::{Failure, Made, Outcome, Work, json};
use crate::jobs::spec::Evaluating;

/// Scores the model.
pub(super) async fn evaluate(work: &Work, job: Evaluating) -> Result<Outcome, Failure> {
    let path = work.model(&job.which).await?;
    let config = work.spec.checked_config().map_err(Failure::job)?;
    let config = config.ok_or_else(|| Failure::Job("the job has no config".into()))?;
    work.in_a_thread(move |_| {
        let model = SavedModel::open(&path).map_err(Failure::job)?;
        let items = ItemsOfConfig::open(&config.pipeline, &model).map_err(Failure::job)?;
        let score = items.score(&model).map_err(Failure::job)?;
        let result = json!({
            "weights_sha256": model.weights_sha256(),
            "items": score.count,
            "test": json(&ScoreResult::from(&score))?,
        });
        Ok(Some(Made { result, files: Vec::new() }))
    })
    .await
}
