//! The trials of a sweep: each a pipeline of its own, so many at once, all in this process.
//!
//! A trial keeps its models in a folder of its own, which goes when another is better. Nothing here
//! decides a trial's result: that is a function of its config.

use futures_util::{StreamExt, stream};
use indicatif::MultiProgress;
use planaria_stages::Pipeline;
use sha2::{Digest, Sha256};
use std::{
    cell::RefCell,
    fs,
    io::{ErrorKind, IsTerminal},
    path::{Path, PathBuf},
};
use tokio::{select, time::interval};

use super::{CommandError, run};
use crate::{
    cli::{LogFormat, TrainArgs},
    config::sweep::{Sweep, Trial},
    doors::stop_switch::StopSwitch,
    report::sweep::{Row, State, SweepReport},
    views::{
        self,
        progress::{LOOK_EVERY, Stopwatch},
        sweep::{Line, ended, screen},
    },
};

/// A sweep that is carried out.
pub(super) struct Search<'a> {
    args: &'a TrainArgs,
    /// At once.
    parallel: usize,
    /// Where the trials' folders are.
    folder: PathBuf,
    log: LogFormat,
    bars: &'a MultiProgress,
    report: RefCell<SweepReport>,
    watch: Stopwatch,
}

impl<'a> Search<'a> {
    /// A sweep of so many trials, of which none has begun.
    pub(super) fn new(
        args: &'a TrainArgs,
        sweep: &Sweep,
        state: &Path,
        trials: &[Trial],
        log: LogFormat,
        bars: &'a MultiProgress,
    ) -> Self {
        Search {
            args,
            parallel: sweep.parallel,
            folder: state.join("sweep").join(name(trials)),
            log,
            bars,
            report: RefCell::new(SweepReport::new(sweep, trials)),
            watch: Stopwatch::start(),
        }
    }

    /// Trains every trial, and shows and reports what they have come to.
    pub(super) async fn carry_out(self, trials: Vec<Trial>) -> Result<(), CommandError> {
        let stop = StopSwitch::on_signals().map_err(CommandError::System)?;
        let planned = trials.len();
        let all = stream::iter(trials).map(|trial| self.trial(trial, &stop));
        let all = all.buffer_unordered(self.parallel).for_each(|()| async {});
        select! {
            () = all => {}
            () = stop.insisted() => return Err(CommandError::Interrupted),
        }
        let mut report = self.report.into_inner();
        report.seconds = self.watch.elapsed().as_secs_f64();
        views::answer(&screen(&report))?;
        if let Some(path) = &self.args.report {
            planaria_durable::whole_file::write(path, report.to_json().as_bytes())
                .map_err(|error| CommandError::Report(error.into()))?;
        }
        let done = report.trials.iter().filter(|row| row.state != State::Stopped).count();
        if done < planned {
            return Err(CommandError::SweepStopped { done, planned });
        }
        report.best.map(|_| ()).ok_or(CommandError::SweepFailed)
    }

    /// One trial, unless the sweep has been stopped before it.
    async fn trial(&self, mut trial: Trial, stop: &StopSwitch) {
        if stop.is_asked() {
            return;
        }
        let folder = self.folder(trial.number);
        trial.config.pipeline.state_dir.clone_from(&folder);
        let line = self.line(&trial);
        self.write(&line.begun());
        let watch = Stopwatch::start();
        let mut row = Row::new(&trial);
        self.remove(&folder);
        match Pipeline::start(trial.config.pipeline) {
            Err(error) => row.fail(CommandError::from(error).with_causes(": ")),
            Ok(pipeline) => self.train(&pipeline, &line, &mut row, stop).await,
        }
        row.seconds = watch.elapsed().as_secs_f64();
        line.end();
        self.write(&ended(&row, self.report.borrow().planned));
        let retired = self.report.borrow_mut().add(row);
        if !self.args.keep_all {
            for number in retired {
                self.remove(&self.folder(number));
                self.report.borrow_mut().forget_model(number);
            }
        }
    }

    /// Follows a pipeline to its end, and writes down what it has come to.
    async fn train(&self, pipeline: &Pipeline, line: &Line, row: &mut Row, stop: &StopSwitch) {
        let mut looks = interval(LOOK_EVERY);
        let trained = pipeline.trained();
        tokio::pin!(trained);
        let trained = loop {
            select! {
                trained = &mut trained => break Some(trained),
                () = stop.asked() => break None,
                _ = looks.tick() => line.show(&pipeline.status()),
            }
        };
        pipeline.drain().await;
        match trained {
            Some(Ok(())) => {
                let results = pipeline.results();
                row.score(self.report.borrow().score_of(&results), results);
            }
            Some(Err(error)) => row.fail(error.to_string()),
            // That is how a row begins.
            None => {}
        }
    }

    fn line(&self, trial: &Trial) -> Line {
        let has_bar = self.log == LogFormat::Text && std::io::stderr().is_terminal();
        Line::new(trial, self.report.borrow().planned, has_bar.then_some(self.bars))
    }

    fn write(&self, line: &str) {
        self.bars.suspend(|| run::write(self.log, line));
    }

    fn folder(&self, number: usize) -> PathBuf {
        self.folder.join(format!("trial-{number:04}"))
    }

    /// Removes a trial's folder, of the same sweep, carried out before.
    fn remove(&self, folder: &Path) {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                self.write(&format!("cannot remove {}: {error}", folder.display()));
            }
            _ => {}
        }
    }
}

/// What a sweep's folder is called: other trials, another name.
fn name(trials: &[Trial]) -> String {
    let mut digest = Sha256::new();
    for trial in trials {
        digest.update(&trial.config.pipeline.config_sha256);
    }
    digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
