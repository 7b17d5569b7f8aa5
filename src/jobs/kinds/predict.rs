//! `predict`: the classes of a picture, or of all pictures of a folder, in a file with a line for each.

use planaria_data::{Limits, drift::DriftLimits};
use planaria_stages::{Prediction, SavedModel};
use serde_json::json;
use std::{
    fs::{self, File},
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use super::{Failure, Made, Outcome, Ticket, Work};
use crate::{
    jobs::spec::Predicting,
    views::predictions::{FileAnswer, ModelName},
};

/// Pictures that a folder may hold.
const PICTURES_MAX: usize = 200_000;

/// Folders in folders that are looked through.
const DEPTH_MAX: usize = 16;

/// What the answers are called among the result's files.
const ANSWERS: &str = "predictions.jsonl";

/// Predicts every picture, in the order of their names.
pub(super) async fn predict(work: &Work, job: Predicting) -> Result<Outcome, Failure> {
    let model = work.model(&job.which).await?;
    work.in_a_thread(move |ticket| predict_all(&model, &job.input, ticket)).await
}

fn predict_all(model: &Path, input: &Path, ticket: &Ticket) -> Result<Option<Made>, Failure> {
    let mut model = SavedModel::open(model).map_err(Failure::job)?;
    let pictures = pictures(input)?;
    let mut lines = Vec::new();
    let mut refused = 0;
    for (done, (name, path)) in pictures.iter().enumerate() {
        if ticket.is_stopped() {
            return Ok(None);
        }
        let answer = one(&mut model, name, path);
        refused += u64::from(!answer.is_predicted());
        serde_json::to_writer(&mut lines, &answer).map_err(Failure::job)?;
        lines.push(b'\n');
        ticket.progress(done as u64 + 1);
    }
    let result = json!({
        "pictures": pictures.len(),
        "refused": refused,
        "drift": model.drift(DriftLimits::default()),
        "weights_sha256": model.weights_sha256(),
    });
    Ok(Some(Made { result, files: vec![(ANSWERS.to_owned(), lines)] }))
}

fn one(model: &mut SavedModel, name: &str, path: &Path) -> FileAnswer {
    let file = name.to_owned();
    let answer = read(path).and_then(|bytes| {
        // Decoders of third parties may panic on hostile bytes: that costs the picture.
        let predicted = catch_unwind(AssertUnwindSafe(|| model.predict(&bytes)));
        let predicted = predicted.map_err(|_| "its decoder panicked: drop it".to_owned())?;
        predicted.map_err(|error| error.to_string())
    });
    match answer {
        Ok(Prediction { class, probability, probabilities, class_names, model: _ }) => {
            let model = ModelName::Weights(model.weights_sha256().into());
            FileAnswer::Predicted { file, class, probability, probabilities, class_names, model }
        }
        Err(error) => FileAnswer::Refused { file, error },
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let limit = Limits::default().image_bytes;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("cannot read it: {error}"))?;
    if bytes.len() as u64 > limit {
        return Err(format!("more than {limit} bytes: drop it or make it smaller"));
    }
    Ok(bytes)
}

/// The pictures that are meant: their names in the folder, sorted, and where they lie.
fn pictures(input: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    if !input.is_dir() {
        let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(vec![(name, input.to_owned())]);
    }
    let mut found = Vec::new();
    walk(input, "", 0, &mut found)
        .map_err(|error| Failure::Job(format!("cannot read {}: {error}", input.display())))?;
    if found.len() > PICTURES_MAX {
        return Err(Failure::Job(format!(
            "{} holds more than {PICTURES_MAX} files: give parts of it",
            input.display()
        )));
    }
    found.sort();
    Ok(found)
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    found: &mut Vec<(String, PathBuf)>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            if depth < DEPTH_MAX {
                walk(&entry.path(), &format!("{name}/"), depth + 1, found)?;
            }
        } else {
            found.push((name, entry.path()));
        }
        if found.len() > PICTURES_MAX {
            break;
        }
    }
    Ok(())
}
