//! One file a command: each does what its flags say, and returns why it could not.

use indicatif::MultiProgress;
use planaria_journal::{JobId, JobState, JournalError};
use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use self::convert::ConvertError;
use crate::{
    cli::{Cli, Command, LogFormat, Overrides},
    config::{
        Config, check,
        explain::ExplainError,
        fault::Faults,
        load::{LoadError, RawConfig},
        overlay::LaidValue,
    },
    doors::{client::ClientError, socket_path::SocketError},
    jobs::StateError,
    telemetry, views,
};

mod run;
mod train;
mod sweep;
mod lr_find;
mod check_config;
mod preview;
pub(crate) mod inspect;
mod quarantine;
mod meant_source;
mod status;
mod predict;
pub(crate) mod export;
mod import;
mod quantise;
mod convert;
pub(crate) mod model_files;
mod measure;
mod kill;
mod chaos;
mod scale;
mod events;
mod serve;
mod submit;
mod jobs;
mod stop;

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum CommandError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("{0}")]
    Config(Faults),
    #[error("the config is wrong")]
    ToldInJson,
    #[error("{path} cannot be run as it is")]
    Explain { path: PathBuf, source: ExplainError },
    #[error("--report {path}: {what}")]
    ReportPath { path: PathBuf, what: &'static str },
    #[error(transparent)]
    Convert(#[from] convert::ConvertError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot start the actor system")]
    System(#[source] io::Error),
    #[error("cannot start the pipeline")]
    Start(#[from] planaria_stages::StartError),
    #[error("the job failed")]
    Job(#[from] planaria_stages::JobError),
    #[error(
        "stopped before training was finished, at step {step} of {steps}: \
         run again to train to the end, with `--resume` from the newest checkpoint"
    )]
    Unfinished { step: u64, steps: u64 },
    #[error("stopped after {done} of {planned} trials: their table is above")]
    SweepStopped { done: usize, planned: usize },
    #[error("no trial has a result: the table says why")]
    SweepFailed,
    #[error("--from {from:e} --to {to:e}: the rate is to grow: choose a greater `--to`")]
    RateRange { from: f64, to: f64 },
    #[error("the runtime failed while it answered predictions: its log says why")]
    FailedServing,
    #[error("stopped at once by a second signal: what was in work is lost")]
    Interrupted,
    #[error("cannot begin the chaos")]
    Chaos(#[source] planaria_stages::KillError),
    #[error("how many workers is `{stage}` to have? `planaria scale {stage} 4`, say")]
    HowMany { stage: String },
    #[error("cannot write the report")]
    Report(#[source] Box<dyn Error + Send + Sync>),
    #[error("cannot use the model file")]
    Model(#[from] planaria_stages::OpenModelError),
    #[error("{path}: cannot use it", path = path.display())]
    ModelFile { path: PathBuf, source: Box<dyn Error + Send + Sync> },
    #[error("{path} cannot be shown", path = path.display())]
    Preview { path: PathBuf, source: Box<dyn Error + Send + Sync> },
    #[error(
        "{path}: what kind of data is it? Give a config (.toml) with a `[source]`",
        path = path.display()
    )]
    UnknownSource { path: PathBuf },
    #[error("cannot inspect {path}", path = path.display())]
    Inspect { path: PathBuf, source: planaria_data::SourceError },
    #[error("cannot inspect {path}", path = path.display())]
    InspectTable { path: PathBuf, source: planaria_data::CleanError },
    #[error("the quarantine has no item {number}: there are {items}")]
    NoSuchItem { number: u64, items: usize },
    #[error("cannot use the quarantine")]
    Quarantine(#[from] planaria_stages::QuarantineError),
    #[error("{path}: its data cannot be used", path = path.display())]
    Open { path: PathBuf, source: planaria_stages::OpenError },
    #[error("cannot write the card")]
    WriteCard(#[source] Box<dyn Error + Send + Sync>),
    #[error("cannot write the model")]
    WriteModel(#[source] Box<dyn Error + Send + Sync>),
    #[error(
        "{path}: its name ends in no format of models: .safetensors, .onnx or .npz",
        path = path.display()
    )]
    ModelEnding { path: PathBuf },
    #[error(
        "--out {path}: only a .safetensors file holds weights in 16 bits and can be measured",
        path = path.display()
    )]
    PrecisionOfFormat { path: PathBuf },
    #[error("cannot measure the models on the items of the config")]
    Measure(#[from] planaria_stages::MeasureError),
    #[error(
        "{path} computes with bytes already: name the model that it was made of",
        path = path.display()
    )]
    Quantised { path: PathBuf },
    #[error("cannot calibrate the model")]
    Calibration(#[from] planaria_learn::CalibrationError),
    #[error("--out {path}: a model is a .safetensors file", path = path.display())]
    NoModelEnding { path: PathBuf },
    #[error(
        "{path} holds only weights: name a model of the same net with `--net`",
        path = path.display()
    )]
    WhichNet { path: PathBuf },
    #[error("--{flag}: {found} numbers for {channels} channels: give one, or one a channel")]
    Channels { flag: &'static str, found: usize, channels: usize },
    #[error("{refused} of {all} pictures got no answer")]
    Pictures { refused: usize, all: usize },
    #[error("the runtime still drains after {seconds} s: wait longer with `--wait`")]
    StillDraining { seconds: u64 },
    #[error("cannot use the jobs of this state")]
    State(#[from] StateError),
    #[error("the journal cannot be written any more: what was accepted is found by the next start")]
    Journal(#[source] JournalError),
    #[error("the job file {path}: {reason}", path = path.display())]
    JobFile { path: PathBuf, reason: String },
    #[error(
        "nobody knows whether the job was accepted: ask again with `--idempotency-key {key}`, \
         which gives the same job"
    )]
    AnswerLost { key: String, source: ClientError },
    #[error("job {id} is {state}: {reason}")]
    JobWithout { id: JobId, state: JobState, reason: String },
    #[error("job {id} is {state}")]
    JobIs { id: JobId, state: JobState },
    #[error("{path}: cannot read or make it", path = path.display())]
    ResultFolder { path: PathBuf, source: io::Error },
    #[error(
        "{path} is damaged: its bytes are not those that its job has made; `planaria state check` \
         looks at all of them",
        path = path.display()
    )]
    ResultDamaged { path: PathBuf },
    #[error("cannot write the answer")]
    Answer(#[from] io::Error),
}

impl CommandError {
    /// 1 when the job failed, 2 when the program was used wrongly, 130 after a second signal.
    pub fn exit_code(&self) -> u8 {
        match self {
            CommandError::Load(_)
            | CommandError::Config(_)
            | CommandError::ToldInJson
            | CommandError::Explain { .. }
            | CommandError::HowMany { .. }
            | CommandError::RateRange { .. }
            | CommandError::Convert(ConvertError::UnknownFormat { .. })
            | CommandError::ModelEnding { .. }
            | CommandError::NoModelEnding { .. }
            | CommandError::UnknownSource { .. }
            | CommandError::NoSuchItem { .. }
            | CommandError::PrecisionOfFormat { .. }
            | CommandError::Quantised { .. }
            | CommandError::WhichNet { .. }
            | CommandError::Channels { .. }
            | CommandError::JobFile { .. }
            | CommandError::ReportPath { .. } => 2,
            // A path that can never be a socket is a wrong flag; one in use is bad luck.
            CommandError::Socket(SocketError::TooLong { .. }) => 2,
            CommandError::Client(ClientError::Path(_)) => 2,
            CommandError::Interrupted => 130,
            CommandError::Socket(_)
            | CommandError::Client(_)
            | CommandError::System(_)
            | CommandError::Start(_)
            | CommandError::Job(_)
            | CommandError::Unfinished { .. }
            | CommandError::SweepStopped { .. }
            | CommandError::SweepFailed
            | CommandError::FailedServing
            | CommandError::Chaos(_)
            | CommandError::Report(_)
            | CommandError::Convert(_)
            | CommandError::Model(_)
            | CommandError::ModelFile { .. }
            | CommandError::Preview { .. }
            | CommandError::Inspect { .. }
            | CommandError::InspectTable { .. }
            | CommandError::Quarantine(_)
            | CommandError::Open { .. }
            | CommandError::WriteCard(_)
            | CommandError::WriteModel(_)
            | CommandError::Measure(_)
            | CommandError::Calibration(_)
            | CommandError::Pictures { .. }
            | CommandError::StillDraining { .. }
            | CommandError::State(_)
            | CommandError::Journal(_)
            | CommandError::AnswerLost { .. }
            | CommandError::JobWithout { .. }
            | CommandError::JobIs { .. }
            | CommandError::ResultFolder { .. }
            | CommandError::ResultDamaged { .. }
            | CommandError::Answer(_) => 1,
        }
    }

    /// Says on stderr what went wrong, with every cause, in the form that logs have.
    pub fn report(&self, log: LogFormat) {
        match (self, log) {
            // The answer on stdout has said it all.
            (CommandError::ToldInJson, _) => {}
            (CommandError::Config(faults), LogFormat::Text) => {
                let number = views::counted(faults.list.len() as u64, "fault", "faults");
                views::message(&faults.render(telemetry::console_is_coloured()));
                views::message(&format!("{}: {number}", faults.file.display()));
            }
            (_, LogFormat::Text) => {
                views::message(&format!("error: {}", self.with_causes("\n  because: ")));
            }
            (_, LogFormat::Json) => {
                tracing::error!(cause = self.with_causes(": "), "command failed");
            }
        }
    }

    /// The message and those of all its causes; a cause that says the same again is left out.
    fn with_causes(&self, between: &str) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let message = error.to_string();
            if !text.ends_with(&message) {
                text.push_str(between);
                text.push_str(&message);
            }
            cause = error.source();
        }
        text
    }
}

/// Does what the command line says.
///
/// # Errors
/// `CommandError`; it has not been reported yet.
pub fn execute(cli: Cli) -> Result<(), CommandError> {
    let bars = MultiProgress::new();
    telemetry::install(cli.log, cli.verbose, &bars);
    match cli.command {
        Command::Run(args) => run::run(&args, cli.log, &bars),
        Command::Train(args) => train::train(&args, cli.log, &bars),
        Command::LrFind(args) => lr_find::lr_find(&args, cli.log, &bars),
        Command::Check(args) => check_config::check(&args),
        Command::Preview(args) => preview::preview(&args),
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Quarantine(args) => quarantine::quarantine(&args),
        Command::Status(args) => status::status(&args),
        Command::Predict(args) => predict::predict(&args),
        Command::Export(args) => export::export(&args),
        Command::Import(args) => import::import(&args),
        Command::Quantise(args) => quantise::quantise(&args),
        Command::Convert(args) => convert::convert(&args),
        Command::Kill(args) => kill::kill(&args),
        Command::Chaos(args) => chaos::chaos(&args),
        Command::Scale(args) => scale::scale(&args),
        Command::Events(args) => events::events(&args),
        Command::Serve(args) => serve::serve(&args, cli.log),
        Command::Submit(args) => submit::submit(&args),
        Command::Jobs(args) => jobs::list(&args),
        Command::Job(args) => jobs::job(&args),
        Command::Result(args) => jobs::result(&args),
        Command::Cancel(args) => jobs::steer("cancel", &args),
        Command::Pause(args) => jobs::steer("pause", &args),
        Command::Resume(args) => jobs::steer("resume", &args),
        Command::Retry(args) => jobs::steer("retry", &args),
        Command::Stop(args) => stop::stop(&args),
    }
}

/// Reads a config, lays the flags over it, and checks all of it.
fn checked_config(path: &Path, flags: &Overrides) -> Result<Config, CommandError> {
    check::check(&raw_config(path, flags)?).map_err(CommandError::Config)
}

/// Reads a config and lays the flags over it.
fn raw_config(path: &Path, flags: &Overrides) -> Result<RawConfig, CommandError> {
    let mut raw = RawConfig::from_file(path)?;
    for (key, value) in &flags.set {
        raw.overlay(key, &format!("--set {key}"), Some(LaidValue::from_argument(value)));
    }
    let whole = |number: Option<u64>| number.map(|number| LaidValue::toml(number.to_string()));
    let place = |path: &Option<PathBuf>| path.clone().map(LaidValue::Path);
    raw.overlay("pools.workers", "--workers", whole(flags.workers));
    raw.overlay("seed", "--seed", whole(flags.seed));
    raw.overlay("train.epochs", "--epochs", whole(flags.epochs));
    let deterministic = flags.deterministic_isa.then(|| LaidValue::text("deterministic"));
    raw.overlay("compute.instructions", "--deterministic-isa", deterministic);
    raw.overlay("state.dir", "--state", place(&flags.state));
    raw.overlay("control.socket", "--socket", place(&flags.socket));
    Ok(raw)
}

/// Where a runtime is looked for: where the flag says, or where `run` listens without one.
fn socket(flag: &Option<PathBuf>) -> PathBuf {
    flag.clone().unwrap_or_else(crate::doors::socket_path::default_path)
}

/// Prints an answer in JSON, in lines that people can read too.
fn answer_json(value: &impl serde::Serialize) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    Ok(views::answer(&text)?)
}
