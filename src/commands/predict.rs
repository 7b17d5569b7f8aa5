//! `planaria predict`: the classes of pictures, by a runtime or by a model file.
//!
//! A picture that cannot be read or classified has its error in its place; the others are answered.

use planaria_data::{
    Limits,
    drift::{Drift, DriftLimits},
};
use planaria_stages::{Prediction, SavedModel};
use serde::Deserialize;
use serde_json::json;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{CommandError, answer_json, socket};
use crate::{
    cli::PredictArgs,
    doors::{
        client::{Client, ClientError},
        control_calls::ImageAnswer,
        control_protocol::image_params,
    },
    views::{
        self,
        predictions::{FileAnswer, ModelName, screen},
    },
};

/// Pictures sent in one request.
const IMAGES_A_REQUEST: usize = 16;

/// How much longer than a prediction's deadline we wait for its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Classifies pictures.
pub(super) fn predict(args: &PredictArgs) -> Result<(), CommandError> {
    let answers = match &args.model {
        Some(model) => by_file(model, &args.images)?,
        None => by_runtime(&socket(&args.target.socket), &args.images)?,
    };
    if args.target.json {
        answer_json(&answers)?;
    } else {
        show(&answers)?;
    }
    let refused = answers.iter().filter(|answer| !answer.is_predicted()).count();
    if refused > 0 {
        return Err(CommandError::Pictures { refused, all: answers.len() });
    }
    Ok(())
}

/// Classes to stdout, errors to stderr.
fn show(answers: &[FileAnswer]) -> io::Result<()> {
    for answer in answers {
        if let FileAnswer::Refused { file, error } = answer {
            views::message(&format!("{file}: {error}"));
        }
    }
    match screen(answers) {
        nothing if nothing.is_empty() => Ok(()),
        text => views::answer(&text),
    }
}

fn by_file(model: &Path, images: &[PathBuf]) -> Result<Vec<FileAnswer>, CommandError> {
    let mut model = SavedModel::open(model)?;
    let limit = Limits::default().image_bytes;
    let answers = images.iter().map(|path| {
        let file = path.display().to_string();
        let answer = read(path, limit)
            .and_then(|bytes| model.predict(&bytes).map_err(|error| error.to_string()));
        match answer {
            Ok(Prediction { class, probability, probabilities, class_names, model: _ }) => {
                let model = ModelName::Weights(model.weights_sha256().into());
                FileAnswer::Predicted {
                    file,
                    class,
                    probability,
                    probabilities,
                    class_names,
                    model,
                }
            }
            Err(error) => FileAnswer::Refused { file, error },
        }
    });
    let answers = answers.collect();
    let drift = model.drift(DriftLimits::default());
    if let Some(drift) = drift.filter(Drift::has_drifted) {
        views::message(&format!("drift: {drift}"));
    }
    Ok(answers)
}

/// The answer to `predict`.
#[derive(Deserialize)]
struct Predictions {
    predictions: Vec<ImageAnswer>,
}

fn by_runtime(socket: &Path, images: &[PathBuf]) -> Result<Vec<FileAnswer>, CommandError> {
    let mut client = Client::connect(socket)?;
    let pong = client.ping()?;
    let limit = Duration::from_millis(pong.deadline_ms) + PATIENCE;
    // What base64 makes of it, and room for names and brackets.
    let request_bytes = pong.line_bytes / 4 * 3 - pong.line_bytes / 16;
    let mut answers = Vec::new();
    let mut waiting = Waiting::default();
    for path in images {
        match read(path, pong.image_bytes) {
            Err(error) => {
                waiting.send(&mut client, limit, &mut answers)?;
                answers.push(FileAnswer::Refused { file: path.display().to_string(), error });
            }
            Ok(bytes) => {
                let is_full = waiting.images.len() == IMAGES_A_REQUEST
                    || waiting.bytes + bytes.len() as u64 > request_bytes;
                if is_full {
                    waiting.send(&mut client, limit, &mut answers)?;
                }
                waiting.add(path, &bytes);
            }
        }
    }
    waiting.send(&mut client, limit, &mut answers)?;
    Ok(answers)
}

/// Pictures that go with the next request.
#[derive(Default)]
struct Waiting {
    images: Vec<serde_json::Value>,
    bytes: u64,
}

impl Waiting {
    fn add(&mut self, path: &Path, bytes: &[u8]) {
        self.images.push(image_params(&path.display().to_string(), bytes));
        self.bytes += bytes.len() as u64;
    }

    fn send(
        &mut self,
        client: &mut Client,
        limit: Duration,
        answers: &mut Vec<FileAnswer>,
    ) -> Result<(), ClientError> {
        if self.images.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let images = std::mem::take(&mut self.images);
        let answer = client.call_within("predict", json!({ "images": images }), limit)?;
        let Predictions { predictions } = client.understand(answer)?;
        answers.extend(predictions.into_iter().map(file_answer));
        Ok(())
    }
}

fn file_answer(answer: ImageAnswer) -> FileAnswer {
    match answer {
        ImageAnswer::Predicted {
            name: file,
            class,
            probability,
            probabilities,
            class_names,
            model,
        } => {
            let model = ModelName::Version(model);
            FileAnswer::Predicted { file, class, probability, probabilities, class_names, model }
        }
        ImageAnswer::Refused { name: file, error } => FileAnswer::Refused { file, error },
    }
}

/// The bytes of a picture, or why there are none; `-` is stdin.
fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(|error| format!("cannot open it: {error}"))?)
    };
    let mut bytes = Vec::new();
    source
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read it: {error}"))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("more than {bytes_max} bytes: send a smaller picture"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_beyond_the_limit_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("big.png");
        std::fs::write(&path, [0; 11]).expect("a file");
        assert_eq!(read(&path, 11).map(|bytes| bytes.len()), Ok(11));
        assert_eq!(read(&path, 10), Err("more than 10 bytes: send a smaller picture".into()));
        let endless = read(Path::new("/dev/zero"), 1000);
        assert!(endless.is_err(), "a file without end is given up");
    }
}
