//! `planaria jobs`, `job`, `cancel`, `pause`, `resume`, `retry`, `result`: jobs of a runtime, asked for and steered.

use planaria_durable::{blob_store, whole_file};
use planaria_journal::{JobId, JobLine, JobState};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fs, path::Path, thread::sleep, time::Duration};

use super::{CommandError, answer_json, socket};
use crate::{
    cli::{JobArgs, JobsArgs, OneJobArgs, ResultArgs},
    doors::{
        client::{Client, ClientError},
        job_calls::{ListOrder, LookOrder},
    },
    jobs::desk::JobView,
    views::{self, jobs},
};

/// How long a runtime may keep a `watch` that has nothing to tell.
const WATCH_MS: u64 = 10_000;

/// How much longer than that we wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often somebody who waits looks for a runtime that has gone, and how long apart: it may be started again.
const RETURNS_MAX: u32 = 120;
const RETURN_EVERY: Duration = Duration::from_millis(500);

/// The newest jobs.
pub(super) fn list(args: &JobsArgs) -> Result<(), CommandError> {
    let mut client = Client::connect(&socket(&args.target.socket))?;
    let order = ListOrder { state: args.state, before: None, most: Some(args.most) };
    let answer = client.call("jobs", json!(order))?;
    if args.target.json {
        return answer_json(&answer["jobs"]);
    }
    #[derive(Deserialize)]
    struct Listed {
        jobs: Vec<JobLine>,
    }
    let listed: Listed = client.understand(answer)?;
    Ok(views::answer(&jobs::list(&listed.jobs))?)
}

/// One job.
pub(super) fn job(args: &JobArgs) -> Result<(), CommandError> {
    let place = socket(&args.target.socket);
    if args.follow {
        return ended(&follow(&place, args.id, true)?);
    }
    let mut client = Client::connect(&place)?;
    let answer = client.call("job", json!({ "id": args.id }))?;
    if args.target.json {
        return answer_json(&answer);
    }
    Ok(views::answer(&jobs::screen(&client.understand(answer)?))?)
}

/// `cancel`, `pause`, `resume`, `retry`.
pub(super) fn steer(method: &str, args: &OneJobArgs) -> Result<(), CommandError> {
    let mut client = Client::connect(&socket(&args.target.socket))?;
    let answer = client.call(method, json!({ "id": args.id }))?;
    if args.target.json {
        return answer_json(&answer);
    }
    let state = answer["state"].as_str().unwrap_or_default();
    let text = match (method, state) {
        ("cancel" | "pause", "running") => format!("job {}: told to {method}", args.id),
        _ => format!("job {} is {state}", args.id),
    };
    Ok(views::answer(&text)?)
}

/// The result of a job, and its files.
pub(super) fn result(args: &ResultArgs) -> Result<(), CommandError> {
    let mut client = Client::connect(&socket(&args.target.socket))?;
    let answer = client.call("job", json!({ "id": args.id }))?;
    let job: JobView = client.understand(answer)?;
    ended(&job)?;
    let result = job.result.clone().unwrap_or(Value::Null);
    let Some(folder) = &args.out else { return answer_json(&result) };
    let failed = |source| CommandError::ResultFolder { path: folder.clone(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    for file in &job.files {
        let bytes = fs::read(&file.path).map_err(failed)?;
        if blob_store::sha256(&bytes) != file.sha256 {
            return Err(CommandError::ResultDamaged { path: file.path.clone().into() });
        }
        save(&folder.join(&file.name), &bytes)?;
    }
    let text = serde_json::to_string_pretty(&result).map_err(std::io::Error::from)?;
    save(&folder.join("result.json"), format!("{text}\n").as_bytes())?;
    let mut names: Vec<&str> = job.files.iter().map(|file| file.name.as_str()).collect();
    names.push("result.json");
    Ok(views::answer(&format!("{}: {}", folder.display(), names.join(", ")))?)
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    whole_file::write(path, bytes).map_err(|error| CommandError::Report(error.into()))
}

/// Waits for the end of a job, and shows what happens to it if that is wanted; survives the runtime's own death and return.
pub(super) fn follow(place: &Path, id: JobId, is_shown: bool) -> Result<JobView, CommandError> {
    let mut since = 0;
    let mut absences = 0;
    let mut progress = 0;
    loop {
        let view = match watch(place, id, since) {
            Err(
                error @ (ClientError::Nobody { .. }
                | ClientError::Ended { .. }
                | ClientError::Lost { .. }),
            ) => {
                if absences == 0 {
                    views::message(&format!("{error}; waiting for its return"));
                }
                absences += 1;
                if absences > RETURNS_MAX {
                    return Err(error.into());
                }
                sleep(RETURN_EVERY);
                continue;
            }
            view => view?,
        };
        absences = 0;
        if is_shown {
            for entry in &view.timeline {
                views::message(&jobs::entry(entry));
            }
            if view.line.progress > progress && !view.line.state.is_ended() {
                progress = view.line.progress;
                views::message(&format!("job {id}: at {progress}"));
            }
        }
        since = view.timeline.last().map_or(since, |entry| entry.number + 1);
        if view.line.state.is_ended() {
            return Ok(view);
        }
    }
}

fn watch(place: &Path, id: JobId, since: u64) -> Result<JobView, ClientError> {
    let mut client = Client::connect(place)?;
    let order = LookOrder { id, since, wait_ms: Some(WATCH_MS) };
    let answer = client.call_within("watch", json!(order), PATIENCE)?;
    client.understand(answer)
}

/// Fails unless the job has its result.
pub(super) fn ended(job: &JobView) -> Result<(), CommandError> {
    let (id, state) = (job.line.id, job.line.state);
    match (state, &job.line.error) {
        (JobState::Done, _) => Ok(()),
        (_, Some(error)) => Err(CommandError::JobWithout { id, state, reason: error.clone() }),
        (_, None) => Err(CommandError::JobIs { id, state }),
    }
}
