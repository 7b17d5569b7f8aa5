//! `planaria lr-find`: a training whose learning rate grows from step to step, and what its losses say.

use indicatif::MultiProgress;
use planaria_learn::{Schedule, optimiser::schedule::Exponential};
use planaria_stages::{JobError, Pipeline, PipelineSettings};
use std::{
    fs,
    io::{ErrorKind, IsTerminal},
};
use tokio::{select, time::interval};

use super::{CommandError, answer_json, checked_config, run};
use crate::{
    cli::{LogFormat, LrFindArgs},
    doors::stop_switch::StopSwitch,
    report::learning_rate::RangeTest,
    views::{
        self, learning_rate,
        progress::{LOOK_EVERY, Progress, Stopwatch},
    },
};

/// Trains as the config says, but for the rate, until all is trained or the loss diverges.
pub(super) fn lr_find(
    args: &LrFindArgs,
    log: LogFormat,
    bars: &MultiProgress,
) -> Result<(), CommandError> {
    let config = checked_config(&args.config, &args.overrides)?;
    let mut settings = config.pipeline;
    if args.overrides.epochs.is_none() {
        settings.train.epochs = 1;
    }
    grow(&mut settings, args.from, args.to)?;
    let folder = settings.state_dir.clone();
    let test = run::in_system(carry_out(settings, log, bars));
    // Nobody needs the model of a test; a folder that stays is no reason to fail.
    if let Err(error) = fs::remove_dir_all(&folder)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), cause = %error, "cannot remove the folder");
    }
    let test = test?;
    if args.json { answer_json(&test) } else { Ok(views::answer(&learning_rate::screen(&test))?) }
}

/// Lets the rate grow alike at every step, and leaves out what is not the training's.
fn grow(settings: &mut PipelineSettings, from: f64, to: f64) -> Result<(), CommandError> {
    if from >= to {
        return Err(CommandError::RateRange { from, to });
    }
    let rate = f64::from(settings.train.update.optimiser.learning_rate());
    settings.train.schedule =
        Schedule::Exponential(Exponential { begin: from / rate, end: to / rate });
    settings.train.validation = None;
    settings.test_items = Some(1);
    settings.evaluate.every_steps = None;
    (settings.checkpoint.every_epochs, settings.checkpoint.every_steps) = (0, None);
    settings.baselines.models.clear();
    settings.state_dir = settings.state_dir.join(format!("lr-find-{}", std::process::id()));
    Ok(())
}

async fn carry_out(
    settings: PipelineSettings,
    log: LogFormat,
    bars: &MultiProgress,
) -> Result<RangeTest, CommandError> {
    let stop = StopSwitch::on_signals().map_err(CommandError::System)?;
    let watch = Stopwatch::start();
    let pipeline = Pipeline::start(settings.clone())?;
    let has_bars = log == LogFormat::Text && std::io::stderr().is_terminal();
    let mut progress = Progress::new(bars, has_bars);
    let mut looks = interval(LOOK_EVERY);
    let trained = pipeline.trained();
    tokio::pin!(trained);
    let failed = loop {
        select! {
            trained = &mut trained => break trained.err(),
            () = stop.asked() => break Some(JobError::Stopped),
            _ = looks.tick() => {
                let mut write = |line: &str| run::write(log, line);
                progress.show(&pipeline.status(), watch.elapsed(), &mut write);
                // The rest would be thrown away.
                if test(&settings, &pipeline).diverged {
                    break None;
                }
            }
        }
    };
    pipeline.drain().await;
    progress.end(&pipeline.status(), watch.elapsed(), &mut |line| run::write(log, line));
    let found = test(&settings, &pipeline);
    match failed {
        // A loss that is no number is what a range test comes to.
        Some(error) if !found.diverged => Err(error.into()),
        Some(_) | None => Ok(found),
    }
}

/// What the losses so far say.
fn test(settings: &PipelineSettings, pipeline: &Pipeline) -> RangeTest {
    let (train, training) = (&settings.train, pipeline.results().training);
    let rate = f64::from(train.update.optimiser.learning_rate());
    let steps = pipeline.status().steps;
    let of_step = |step| {
        rate * f64::from(train.schedule.factor(step, steps, steps / u64::from(train.epochs)))
    };
    // Only whole stretches: what a cut one says depends on when it was looked at.
    let stride = training.loss_curve.first().map_or(1, |point| point.step);
    let whole = training.loss_curve.iter().filter(|point| point.step.is_multiple_of(stride));
    let losses: Vec<(u64, f64, f64)> =
        whole.map(|point| (point.step, of_step(point.step), point.loss)).collect();
    RangeTest::new(&losses, steps / stride, training.diverged_at.is_some())
}
