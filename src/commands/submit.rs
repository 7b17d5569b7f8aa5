//! `planaria submit`: a job file to a runtime; it is acknowledged when it is in the journal.

use planaria_journal::JobId;
use serde_json::{Value, json};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Read},
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use super::{CommandError, answer_json, jobs, socket};
use crate::{
    cli::SubmitArgs,
    config::load::RawConfig,
    doors::client::{Client, ClientError},
    views,
};

/// The keys of a job file that name files.
const PATHS: [&str; 4] = ["config", "model", "input", "data"];

/// The largest job file, in bytes.
const JOB_BYTES_MAX: u64 = 1 << 20;

/// How often a runtime is asked again whose answer was lost: the key makes it the same job.
const TRIES_MAX: u32 = 20;
const TRY_EVERY: Duration = Duration::from_millis(500);

/// Submits a job, and waits for it if that is wanted.
pub(super) fn submit(args: &SubmitArgs) -> Result<(), CommandError> {
    let job = job(&args.job)?;
    let key = args.idempotency_key.clone().unwrap_or_else(new_key);
    let place = socket(&args.target.socket);
    let accepted = ask(&place, &json!({ "job": job, "key": key }))?;
    let id = JobId(accepted["id"].as_i64().unwrap_or_default());
    if !args.wait && !args.follow {
        if args.target.json {
            return answer_json(&accepted);
        }
        let text = match accepted["is_new"].as_bool() {
            Some(false) => format!("job {id}, accepted before"),
            _ => format!("job {id}"),
        };
        return Ok(views::answer(&text)?);
    }
    let ended = jobs::follow(&place, id, args.follow)?;
    if args.target.json {
        answer_json(&ended)?;
    } else {
        views::answer(&views::jobs::screen(&ended))?;
    }
    jobs::ended(&ended)
}

/// Asks, and asks again when the answer was lost.
fn ask(place: &Path, params: &Value) -> Result<Value, CommandError> {
    let mut tries = 0;
    loop {
        let answer =
            Client::connect(place).and_then(|mut client| client.call("submit", params.clone()));
        match answer {
            // Nobody at the first asking is a wrong place; later it is a runtime that comes back.
            Err(error @ ClientError::Nobody { .. }) if tries == 0 => return Err(error.into()),
            Err(
                error @ (ClientError::Nobody { .. }
                | ClientError::Ended { .. }
                | ClientError::Lost { .. }
                | ClientError::Silent { .. }),
            ) => {
                tries += 1;
                if tries == TRIES_MAX {
                    let key = params["key"].as_str().unwrap_or_default().to_owned();
                    return Err(CommandError::AnswerLost { key, source: error });
                }
                sleep(TRY_EVERY);
            }
            answer => return Ok(answer?),
        }
    }
}

/// A job file as the runtime wants it: its paths made absolute.
fn job(path: &Path) -> Result<Value, CommandError> {
    let (text, folder) = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().take(JOB_BYTES_MAX).read_to_string(&mut text)?;
        (text, PathBuf::new())
    } else {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        (RawConfig::from_file(path)?.text, folder)
    };
    let wrong = |reason: String| CommandError::JobFile { path: path.into(), reason };
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| wrong(error.to_string().trim_end().to_owned()))?;
    let mut job = serde_json::to_value(table).map_err(|error| wrong(error.to_string()))?;
    for key in PATHS {
        if let Some(named) = job.get(key).and_then(Value::as_str) {
            let absolute = std::path::absolute(folder.join(named))?;
            job[key] = json!(absolute);
        }
    }
    Ok(job)
}

/// A key that nobody has: 128 bits of the system's randomness, by which no result is decided.
fn new_key() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}
