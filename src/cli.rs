//! Every flag, only parsed: what the values mean is decided in `commands/` and `config/`.

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use planaria_data::{Fit, Invert};
use planaria_learn::model_file::Precision;
use planaria_stages::{ChaosPlan, Death};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::config::{nearest, units};

mod data;
mod jobs;

pub use data::{
    ConvertArgs, DataFormat, InspectArgs, PreviewArgs, QuarantineAction, QuarantineArgs,
};
pub use jobs::{JobArgs, JobsArgs, OneJobArgs, ResultArgs, ServeArgs, SubmitArgs};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "planaria",
    version,
    about = "Trains and serves image classifiers on actors that may die: \
             cut it anywhere; it grows back.",
    after_help = "\
Examples:
  planaria check configs/mnist.toml         what this config would do, or what is wrong with it
  planaria run configs/mnist.toml           train, evaluate, deploy, predict until Ctrl-C
  planaria predict digit.png                in a second terminal, while it trains
  planaria kill train/1                     and see that nothing is lost

Exit codes: 0 done, 1 the job failed, 2 used wrongly.",
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How logs on stderr are written.
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub log: LogFormat,
    /// Log more: -v adds what happens per batch, -vv per item. RUST_LOG says it in detail.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train, evaluate and deploy as CONFIG says, and answer predictions until Ctrl-C.
    Run(RunArgs),
    /// Train and evaluate as CONFIG says, and end; with --sweep, many times with other values.
    Train(TrainArgs),
    /// Train with a learning rate that grows from step to step, and say which one fits.
    LrFind(LrFindArgs),
    /// Say what CONFIG would do, or everything that is wrong with it and where.
    Check(CheckArgs),
    /// Draw what CONFIG does to training images: one row for each augmentation, as a PNG file.
    Preview(PreviewArgs),
    /// Say what a data set holds: classes, sizes, twins, leaks, doubtful labels.
    Inspect(InspectArgs),
    /// Look at items that were set aside: list them, show one, try them again.
    Quarantine(QuarantineArgs),
    /// Show what the running runtime is doing: stages, workers, items, model.
    Status(StatusArgs),
    /// Classify images: by the runtime's newest model, or by a model file.
    Predict(PredictArgs),
    /// Write a saved model for other programs: ONNX, NumPy, safetensors.
    Export(ExportArgs),
    /// Make a model of ours from a file of another program: ONNX, or weights for a net of ours.
    Import(ImportArgs),
    /// Make a model that computes with bytes: smaller, faster, and nearly as accurate.
    Quantise(QuantiseArgs),
    /// Write a data set in another format: pictures, arrays, archives, tables.
    Convert(ConvertArgs),
    /// Kill actors of the runtime, now, and see that nothing is lost.
    Kill(KillArgs),
    /// Kill actors of the runtime at random for a while.
    Chaos(ChaosArgs),
    /// Give a stage of the runtime another number of workers; results do not change.
    Scale(ScaleArgs),
    /// Show what happened to actors and items of the runtime: starts, deaths, redeliveries, ...
    Events(EventsArgs),
    /// Wait for jobs, and carry them out: each that was accepted ends, also after `kill -9`.
    Serve(ServeArgs),
    /// Give the runtime a job; it is accepted once it is on disk.
    Submit(SubmitArgs),
    /// List the runtime's jobs, the newest first.
    Jobs(JobsArgs),
    /// Show one job: what it is, what happened to it, what it has come to.
    Job(JobArgs),
    /// Show the result of a job, or write its files into a folder.
    Result(ResultArgs),
    /// End a job without a result.
    Cancel(OneJobArgs),
    /// Let a job wait until it is resumed.
    Pause(OneJobArgs),
    /// Let a paused job go on.
    Resume(OneJobArgs),
    /// Begin a job again that ended without a result.
    Retry(OneJobArgs),
    /// Let the runtime finish what it has accepted, and end it.
    Stop(StopArgs),
}

/// `planaria run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria run configs/mnist.toml
  planaria run configs/mnist-quick.toml --exit --report report.json
  planaria run configs/mnist.toml --resume
  planaria run configs/mnist-quick.toml --exit --chaos \"kills=100,every=50ms,seed=7\"

Ctrl-C (or SIGTERM, or `planaria stop`) drains: what is accepted ends. A second Ctrl-C ends at once.")]
pub struct RunArgs {
    /// The config, a TOML file. configs/mnist.toml is its manual.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// End when all is trained and evaluated, instead of answering predictions.
    #[arg(long)]
    pub exit: bool,
    /// Write a JSON report here when training is over, and again at the end.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Kill actors at random from the start: "kills=100,every=50ms,seed=7".
    #[arg(long, value_name = "PLAN", value_parser = chaos_plan)]
    pub chaos: Option<ChaosPlan>,
    /// Go on from the newest checkpoint of this config, or from FILE: the result is that of one run.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "latest")]
    pub resume: Option<PathBuf>,
    /// What is laid over the config.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// `planaria train`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria train configs/mnist-quick.toml                                   as `run --exit`
  planaria train configs/mnist-quick.toml --set train.optimiser.learning_rate=0.001
  planaria train configs/mnist-quick.toml --sweep configs/sweep.toml --report sweep.json

A sweep trains without the classical models and opens no control socket; each trial keeps its model
in the folder `sweep/` of the state, where one sweep at a time may work. Ctrl-C ends it with the table
so far; a second Ctrl-C ends at once.")]
pub struct TrainArgs {
    /// The config, a TOML file. configs/mnist.toml is its manual.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Train once for each choice of values in this file. configs/sweep.toml is its manual.
    #[arg(long, value_name = "SWEEP.toml")]
    pub sweep: Option<PathBuf>,
    /// Go on from the newest checkpoint of this config, or from FILE: the result is that of one run.
    #[arg(long, conflicts_with = "sweep", value_name = "FILE", num_args = 0..=1, default_missing_value = "latest")]
    pub resume: Option<PathBuf>,
    /// Keep the models of all trials, not only of the best.
    #[arg(long, requires = "sweep")]
    pub keep_all: bool,
    /// Write a JSON report here when training is over.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What is laid over the config.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// `planaria lr-find`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria lr-find configs/mnist-quick.toml
  planaria lr-find configs/mnist.toml --from 1e-5 --to 10 --set train.optimiser.kind=sgd --json

The rate grows by the same factor at every step of one epoch (`--epochs` for more), from weights as they
begin; the loss falls, is least, and diverges. A tenth of the rate of the least loss is suggested (Smith
2015; fastai). The same curve every time, for any number of workers. Nothing is kept.")]
pub struct LrFindArgs {
    /// The config, a TOML file. configs/mnist.toml is its manual.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// The rate of the first step.
    #[arg(long, value_name = "RATE", default_value_t = 1e-6, value_parser = rate)]
    pub from: f64,
    /// The rate of the last step.
    #[arg(long, value_name = "RATE", default_value_t = 1.0, value_parser = rate)]
    pub to: f64,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
    /// What is laid over the config.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// Flags that are laid over the config's values.
#[derive(Debug, Clone, Default, Args)]
pub struct Overrides {
    /// Any value of the config, as if it stood in the file; may be given often:
    /// `--set train.optimiser.learning_rate=0.01`, `--set "network.layers[3].units=64"`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// Worker actors of every pool (`pools.workers`). No part of the result.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub workers: Option<u64>,
    /// The root of every random number (`seed`).
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Passes over the training items (`train.epochs`).
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub epochs: Option<u64>,
    /// The same weights on every CPU, to the bit (`compute.instructions = "deterministic"`).
    #[arg(long)]
    pub deterministic_isa: bool,
    /// The folder of models and other state (`state.dir`).
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// The control socket (`control.socket`).
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// `planaria check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The config, a TOML file.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
    /// What is laid over the config.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// Which runtime, and for whom the answer is.
#[derive(Debug, Args)]
pub struct Target {
    /// The control socket of the runtime [default: where `planaria run` listens].
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

/// `planaria status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A line for every worker, not only for those in trouble.
    #[arg(long)]
    pub workers: bool,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

/// `planaria predict`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria predict digit.png more/*.png
  curl -s https://example.org/7.png | planaria predict -
  planaria predict --model mnist-cnn.safetensors digit.png     no runtime needed")]
pub struct PredictArgs {
    /// Image files (PNG, JPEG, GIF, BMP, WebP, TIFF, PNM); `-` is stdin.
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Predict with this model file; no runtime is asked.
    #[arg(long, value_name = "FILE", conflicts_with = "socket")]
    pub model: Option<PathBuf>,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

/// `planaria export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria export mnist-cnn.safetensors --out mnist-cnn.onnx     for onnxruntime and others
  planaria export mnist-cnn.safetensors --out mnist-cnn.npz      for numpy.load
  planaria export mnist-cnn.safetensors --out small.safetensors --precision bf16 \
    --measure configs/mnist.toml                     half the size, and what that costs

The ONNX model takes images [batch, channels, height, width], preprocessed as its metadata say,
and gives logits. Tensors have PyTorch's names and layouts.")]
pub struct ExportArgs {
    /// The model, a safetensors file that `planaria run` has saved.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Where to write it.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The format [default: what the name of --out ends in].
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<ModelFormat>,
    /// How a safetensors file holds the weights; 16 bits are rounded, and half as large.
    #[arg(long, value_enum, value_name = "PRECISION", default_value = "f32")]
    pub precision: PrecisionFlag,
    /// Say what rounding costs: the accuracy of both models on the test items of this config.
    #[arg(long, value_name = "CONFIG")]
    pub measure: Option<PathBuf>,
}

/// How weights are held in a file, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionFlag {
    /// As they are.
    F32,
    /// 16 bits with the range of f32.
    Bf16,
    /// 16 bits with more of the fraction; at most 65,504.
    F16,
}

impl From<PrecisionFlag> for Precision {
    fn from(flag: PrecisionFlag) -> Self {
        match flag {
            PrecisionFlag::F32 => Precision::F32,
            PrecisionFlag::Bf16 => Precision::Bf16,
            PrecisionFlag::F16 => Precision::F16,
        }
    }
}

/// A format of models on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelFormat {
    /// As `planaria run` saves it; PyTorch's names and layouts.
    Safetensors,
    /// Opset 17.
    Onnx,
    /// NumPy's archive of arrays, compressed.
    Npz,
}

/// `planaria import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria import resnet.onnx --mean 0.49,0.48,0.45 --deviation 0.25 --out resnet.safetensors
  planaria import weights.npz --net mnist-cnn.safetensors --out new.safetensors

Pictures are preprocessed as the flags say, else as the file (or the model of --net) says, else
with mean 0, deviation 1, never inverted and stretched to the input's size.")]
pub struct ImportArgs {
    /// An ONNX model; or, with --net, weights with PyTorch's names as .npz or .safetensors.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to write the model, a safetensors file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A model of the same net, for files that hold only weights.
    #[arg(long, value_name = "MODEL")]
    pub net: Option<PathBuf>,
    /// What is taken off numbers in [0, 1]: one number, or one a channel.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_negative_numbers = true,
        value_parser = finite)]
    pub mean: Vec<f32>,
    /// What they are then divided by: one number, or one a channel.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = positive)]
    pub deviation: Vec<f32>,
    /// When black and white are exchanged.
    #[arg(long, value_enum, value_name = "WHEN")]
    pub invert: Option<InvertFlag>,
    /// How pictures are brought to the input's size.
    #[arg(long, value_enum, value_name = "HOW")]
    pub fit: Option<FitFlag>,
}

/// `planaria quantise`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria quantise mnist-cnn.safetensors --calibrate configs/mnist.toml --out int8.safetensors
  planaria predict --model int8.safetensors digit.png

Layers that gain by it compute with bytes; the others stay as they are. The accuracy of both models
on the config's test items is printed.")]
pub struct QuantiseArgs {
    /// The model, a safetensors file that `planaria run` has saved.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// The config whose training items say which numbers are usual, and whose test items are counted.
    #[arg(long, value_name = "CONFIG")]
    pub calibrate: PathBuf,
    /// Where to write it, a safetensors file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// So many training items are looked at, spread over all of them.
    #[arg(long, value_name = "N", default_value_t = 500,
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub items: u64,
}

/// When black and white are exchanged, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InvertFlag {
    /// Never.
    Never,
    /// Always.
    Always,
    /// When the border is bright: dark ink on light paper.
    Auto,
}

impl From<InvertFlag> for Invert {
    fn from(flag: InvertFlag) -> Self {
        match flag {
            InvertFlag::Never => Invert::Never,
            InvertFlag::Always => Invert::Always,
            InvertFlag::Auto => Invert::Auto,
        }
    }
}

/// How a picture is brought to a size, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FitFlag {
    /// Height and width each for themselves.
    Stretch,
    /// As large as fits, in the middle.
    Contain,
    /// As small as fills, in the middle.
    Cover,
    /// As MNIST was made: by the ink.
    Centre,
}

impl From<FitFlag> for Fit {
    fn from(flag: FitFlag) -> Self {
        match flag {
            FitFlag::Stretch => Fit::Stretch,
            FitFlag::Contain => Fit::Contain,
            FitFlag::Cover => Fit::Cover,
            FitFlag::Centre => Fit::Centre,
        }
    }
}

/// `planaria kill`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria kill train/1                    that actor, now
  planaria kill train --how panic          every actor of the stage
  planaria kill all --how lost-thread")]
pub struct KillArgs {
    /// `train/1`, `train`, `supervisor` or `all`.
    #[arg(value_name = "ACTOR")]
    pub actor: String,
    /// The kind of death.
    #[arg(long, value_enum, default_value = "stop", value_name = "DEATH")]
    pub how: How,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

/// A kind of death on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// It panics in mid-item.
    Panic,
    /// Its item ends in an error.
    Error,
    /// It is told to stop.
    Stop,
    /// Its thread is lost.
    LostThread,
    /// It makes no progress any more.
    Hang,
}

impl From<How> for Death {
    fn from(how: How) -> Self {
        match how {
            How::Panic => Death::Panic,
            How::Error => Death::Error,
            How::Stop => Death::Stop,
            How::LostThread => Death::LostThread,
            How::Hang => Death::Hang,
        }
    }
}

/// `planaria chaos`.
#[derive(Debug, Args)]
pub struct ChaosArgs {
    /// How many kills.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub kills: u64,
    /// The wait between two.
    #[arg(long, value_name = "DURATION", default_value = "50ms", value_parser = every)]
    pub every: u64,
    /// Decides who dies and how.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

/// `planaria scale`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria scale train 4       four workers, from now on
  planaria scale auto          workers move to the stage that is the bottleneck
  planaria scale manual        pools keep the sizes that they have")]
pub struct ScaleArgs {
    /// The stage: `train`, say; or `auto` or `manual`, for all of them.
    #[arg(value_name = "STAGE")]
    pub stage: String,
    /// How many workers there are to be.
    #[arg(value_name = "WORKERS", value_parser = clap::value_parser!(u16).range(1..),)]
    pub workers: Option<u16>,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

/// `planaria events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Go on showing what happens, until the runtime ends.
    #[arg(long)]
    pub follow: bool,
    /// Begin with the event of this number. The runtime keeps the newest few thousand.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub since: u64,
    /// Which runtime. With `--json` each event is one object a line.
    #[command(flatten)]
    pub target: Target,
}

/// `planaria stop`.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// How long to wait for the end.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = units::milliseconds)]
    pub wait: u64,
    /// Which runtime.
    #[command(flatten)]
    pub target: Target,
}

/// A key of the config and its value, as `--set` says them.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().into(), value.trim().into())),
        None => Err("write KEY=VALUE, as `train.epochs=3`".into()),
    }
}

/// A chaos plan as `--chaos` says it: `kills=100,every=50ms,seed=7`.
fn chaos_plan(text: &str) -> Result<ChaosPlan, String> {
    let (mut kills, mut every_ms, mut seed) = (None, 50, 0);
    for part in text.split(',') {
        let wrong = || format!("`{part}`: write \"kills=100,every=50ms,seed=7\"");
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        match name.trim() {
            "kills" => kills = Some(value.trim().parse().map_err(|_| wrong())?),
            "every" => every_ms = every(value.trim())?,
            "seed" => seed = value.trim().parse().map_err(|_| wrong())?,
            other => {
                let hint = nearest::hint(other, ["kills", "every", "seed"]);
                return Err(format!("`{other}` is not known{hint}"));
            }
        }
    }
    match kills {
        Some(kills) if kills > 0 => Ok(ChaosPlan { kills, every_ms, seed }),
        Some(_) => Err("0 kills: choose at least 1".into()),
        None => Err("`kills` is missing: write \"kills=100,every=50ms,seed=7\"".into()),
    }
}

fn finite(text: &str) -> Result<f32, String> {
    let number = text.trim().parse().map_err(|_| format!("`{text}` is no number"))?;
    if f32::is_finite(number) { Ok(number) } else { Err("it must be finite".into()) }
}

/// A learning rate.
fn rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no learning rate: choose a number from 1e-12 to 1e6");
    let rate: f64 = text.parse().map_err(|_| wrong())?;
    if (1e-12..=1e6).contains(&rate) { Ok(rate) } else { Err(wrong()) }
}

fn positive(text: &str) -> Result<f32, String> {
    let number = finite(text)?;
    if number > 0.0 { Ok(number) } else { Err("it must be more than 0".into()) }
}

fn every(text: &str) -> Result<u64, String> {
    match units::milliseconds(text)? {
        0 => Err("the wait must be at least 1ms".into()),
        ms => Ok(ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_chaos_plan_says_how_many_and_may_say_how_often_and_by_which_seed() {
        let full = ChaosPlan { kills: 100, every_ms: 50, seed: 7 };
        assert_eq!(chaos_plan("kills=100,every=50ms,seed=7"), Ok(full));
        assert_eq!(chaos_plan("seed=7, kills=100"), Ok(full));
        for wrong in ["", "kills", "kills=x", "kills=0", "every=50ms", "kills=1,every=0s", "kils=3"]
        {
            assert!(chaos_plan(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_number_below_zero_is_refused_as_the_value_of_its_flag() {
        for flag in ["--workers", "--seed", "--epochs"] {
            let error = Cli::try_parse_from(["planaria", "run", "a.toml", flag, "-1"]);
            let error = error.expect_err("there are no such numbers").to_string();
            assert!(error.contains(&format!("'-1' for '{flag} <N>'")), "{error}");
        }
    }

    #[test]
    fn preprocessing_is_one_number_or_one_a_channel() {
        let parse = |flags: &[&str]| {
            let command = ["planaria", "import", "a.onnx", "--out", "b.safetensors"];
            match Cli::try_parse_from(command.iter().chain(flags)).map(|cli| cli.command) {
                Ok(Command::Import(args)) => Ok((args.mean, args.deviation)),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.to_string()),
            }
        };
        assert_eq!(parse(&[]), Ok((vec![], vec![])));
        assert_eq!(
            parse(&["--mean", "-0.5", "--deviation=1,2,3"]),
            Ok((vec![-0.5], vec![1., 2., 3.]))
        );
        for wrong in ["0", "-1", "nan", "inf", "x", "1,,2"] {
            assert!(parse(&["--deviation", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_model_file_and_a_socket_exclude_each_other() {
        let both = ["planaria", "predict", "--model", "m", "--socket", "s", "a.png"];
        assert!(Cli::try_parse_from(both).is_err());
    }
}
