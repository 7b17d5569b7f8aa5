//! The flags of the commands about jobs.

use clap::Args;
use planaria_journal::{JobId, JobState};
use std::path::PathBuf;

use super::{Overrides, Target};

/// `planaria serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria serve configs/serve.toml                 waits for jobs: `planaria submit job.toml`
  planaria serve configs/serve.toml --until-idle    carries out what is left, and ends

A job that was accepted ends, whatever happens to this process: the next start finishes it, with the same
result. Ctrl-C (or SIGTERM, or `planaria stop`) puts the job in work back and ends; a second Ctrl-C ends at once.")]
pub struct ServeArgs {
    /// The config, a TOML file: `[state]`, `[control]` and `[jobs]` of it count.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// End when no job waits.
    #[arg(long)]
    pub until_idle: bool,
    /// What is laid over the config.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// `planaria submit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria submit job.toml                 says the job's number once it is in the journal
  planaria submit job.toml --follow        and shows what happens to it, to its end
  planaria submit job.toml --wait --json   and gives its result

A job file:
  kind = \"train\"          # or compare, predict, evaluate, inspect, export
  config = \"mnist.toml\"   # relative to the job file
  priority = 5            # the greater one goes first; 0 when left out
  [set]                   # what is laid over the config
  \"train.epochs\" = 2

The kinds and their keys are in docs/jobs.md.")]
pub struct SubmitArgs {
    /// The job, a TOML file; `-` is stdin.
    #[arg(value_name = "JOB.toml")]
    pub job: PathBuf,
    /// Wait for its end; the exit code is that of the job.
    #[arg(long)]
    pub wait: bool,
    /// Wait for its end, and show what happens to it.
    #[arg(long)]
    pub follow: bool,
    /// The same key gives the same job, however often it is submitted [default: a new one].
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

/// `planaria jobs`.
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// Only those that are here on their way.
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<JobState>,
    /// At most so many, the newest.
    #[arg(long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub most: u64,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

/// `planaria job`.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job's number.
    #[arg(value_name = "ID", value_parser = job_id)]
    pub id: JobId,
    /// Go on showing what happens to it, to its end; the exit code is that of the job.
    #[arg(long)]
    pub follow: bool,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

/// `planaria cancel`, `pause`, `resume`, `retry`.
#[derive(Debug, Args)]
pub struct OneJobArgs {
    /// The job's number.
    #[arg(value_name = "ID", value_parser = job_id)]
    pub id: JobId,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

/// `planaria result`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria result 3                  the result as JSON
  planaria result 3 --out folder     and the files of it: result.json, model.safetensors, ...")]
pub struct ResultArgs {
    /// The job's number.
    #[arg(value_name = "ID", value_parser = job_id)]
    pub id: JobId,
    /// Write the result and its files into this folder, each whole or not at all.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

fn job_id(text: &str) -> Result<JobId, String> {
    match text.parse() {
        Ok(id) if id > 0 => Ok(JobId(id)),
        _ => Err("a job has a number, from 1: `planaria jobs` lists them".into()),
    }
}

fn state(text: &str) -> Result<JobState, String> {
    text.parse()
}
