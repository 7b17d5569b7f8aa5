//! `train` and `compare`: a pipeline of its own, in the job's folder; after a death it goes on from its newest checkpoint.

use planaria_data::{Cleaning, clean::SetAside};
use planaria_stages::{
    JobError, Pipeline, PipelineSettings, Results, ResumeError, ScoreResult, StartError,
    results::{DeadLetter, TrainingResult},
    settings::Resume,
};
use serde::Serialize;
use std::{fs, path::Path};
use tokio::{select, time::interval};

use super::{Failure, LOOK_EVERY, MODEL, Made, Outcome, Work, json};

/// What a training has come to. Times, paths and deaths are no part of it.
#[derive(Serialize)]
struct Trained {
    config_sha256: String,
    seed: u64,
    instructions: String,
    weights_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<ScoreResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<ScoreResult>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    class_names: Vec<String>,
    comparison: Vec<Compared>,
    dead_letters: Vec<DeadLetter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cleaning: Option<Cleaning>,
    training: Curves,
}

/// What the list of items that the cleaning has set aside is called among the result's files.
const SET_ASIDE: &str = "set-aside.jsonl";

/// A model among others.
#[derive(Serialize)]
struct Compared {
    name: String,
    library: String,
    accuracy: f64,
    model_bytes: u64,
    train_rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// The training without its times.
#[derive(Serialize)]
struct Curves {
    steps: u64,
    epochs: u32,
    stopped_early: bool,
    #[serde(flatten)]
    more: serde_json::Value,
}

/// Trains, evaluates, and gives the model.
pub(super) async fn train(work: &Work) -> Result<Outcome, Failure> {
    let config = work.spec.checked_config().map_err(Failure::job)?;
    let config = config.ok_or_else(|| Failure::Job("the job has no config".into()))?;
    let mut settings = config.pipeline;
    settings.state_dir.clone_from(&work.folder);
    let pipeline = start(work, settings.clone()).await?;
    work.show(Some(&pipeline));
    let mut looks = interval(LOOK_EVERY);
    let mut told = 0;
    let trained = pipeline.trained();
    tokio::pin!(trained);
    let trained = loop {
        select! {
            trained = &mut trained => break Some(trained),
            () = work.interrupted() => break None,
            _ = looks.tick() => {
                let step = newest_checkpoint(&work.folder).unwrap_or(0);
                if step > told {
                    told = step;
                    work.progress(step).await?;
                }
            }
        }
    };
    let drained = work.within_the_drain(pipeline.drain()).await;
    work.show(None);
    match trained {
        Some(Ok(())) if drained.is_some() => made(&settings, pipeline.results()),
        Some(Err(JobError::Failed { reason })) => Err(Failure::Job(reason)),
        Some(_) | None => Ok(Outcome::Interrupted),
    }
}

/// Starts the pipeline where the last life has left it.
async fn start(work: &Work, mut settings: PipelineSettings) -> Result<Pipeline, Failure> {
    let newest = newest_checkpoint(&work.folder);
    settings.resume = newest.map(|_| Resume::Latest);
    if let Some(step) = newest {
        work.note("resumed", format!("from the checkpoint of step {step}")).await?;
    }
    match Pipeline::start(settings.clone()) {
        Ok(pipeline) => Ok(pipeline),
        // A checkpoint that cannot be believed is no loss: from the beginning the same bytes come out.
        Err(StartError::Resume(
            error @ (ResumeError::File { .. }
            | ResumeError::Text { .. }
            | ResumeError::TooLarge { .. }),
        )) => {
            work.note("begun anew", Failure::job(error).told()).await?;
            settings.resume = None;
            Pipeline::start(settings).map_err(Failure::job)
        }
        Err(error) => Err(Failure::job(error)),
    }
}

impl Failure {
    fn told(self) -> String {
        match self {
            Failure::Job(text) => text,
            Failure::Journal(error) => error.to_string(),
        }
    }
}

/// The step of the newest checkpoint in a job's folder.
fn newest_checkpoint(folder: &Path) -> Option<u64> {
    let files = fs::read_dir(folder.join("checkpoints")).ok()?;
    let step = |name: &str| {
        let (_, step) = name.strip_suffix(".checkpoint")?.rsplit_once("-step-")?;
        step.parse().ok()
    };
    files.filter_map(|file| step(file.ok()?.file_name().to_str()?)).max()
}

/// A line of JSON for each item.
fn lines(items: &[SetAside]) -> Result<Vec<u8>, Failure> {
    let mut lines = Vec::new();
    for item in items {
        serde_json::to_writer(&mut lines, item).map_err(Failure::job)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn made(settings: &PipelineSettings, results: Results) -> Result<Outcome, Failure> {
    let mut files = Vec::new();
    if let Some(path) = &results.model_file {
        let bytes = fs::read(path)
            .map_err(|error| Failure::Job(format!("cannot read the model {path}: {error}")))?;
        files.push((MODEL.to_owned(), bytes));
    }
    if let Some(cleaning) = &results.cleaning {
        files.push((SET_ASIDE.to_owned(), lines(&cleaning.set_aside)?));
    }
    let comparison = results.comparison.into_iter().map(|row| Compared {
        name: row.name,
        library: row.library,
        accuracy: row.accuracy,
        model_bytes: row.model_bytes,
        train_rows: row.train_rows,
        note: row.note,
    });
    let trained = Trained {
        config_sha256: settings.config_sha256.clone(),
        seed: settings.seed,
        instructions: settings.isa.name().into(),
        weights_sha256: results.weights_sha256,
        test: results.test,
        validation: results.validation,
        class_names: results.class_names,
        comparison: comparison.collect(),
        dead_letters: results.dead_letters,
        cleaning: results.cleaning,
        training: curves(results.training)?,
    };
    Ok(Outcome::Done(Made { result: json(&trained)?, files }))
}

/// What of a training is the same however often it was interrupted.
fn curves(training: TrainingResult) -> Result<Curves, Failure> {
    let (steps, epochs, stopped_early) = (training.steps, training.epochs, training.stopped_early);
    let mut more = json(&training)?;
    if let Some(more) = more.as_object_mut() {
        let ours = ["loss_curve", "evaluations", "class_weights", "from_weights_sha256", "best"];
        more.retain(|name, _| ours.contains(&name.as_str()));
    }
    Ok(Curves { steps, epochs, stopped_early, more })
}
