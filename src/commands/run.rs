//! `planaria run`: train, evaluate, deploy, and go on answering until told to stop.
//!
//! The control socket is claimed before anything is computed, and answers from then on. The first
//! signal drains, the second ends at once. Whatever the end, the report says how far it came.

use indicatif::MultiProgress;
use planaria_stages::{JobError, Pipeline, settings::Resume, status::Phase};
use std::{
    cell::RefCell,
    io::IsTerminal,
    path::{Path, PathBuf},
    rc::Rc,
};
use tokio::{
    select,
    task::{JoinHandle, spawn_local},
    time::interval,
};

use super::{CommandError, checked_config};
use crate::{
    cli::{LogFormat, RunArgs},
    config::Config,
    doors::{
        control_calls::Pong, control_socket, runtime::Runtime, socket_path::SocketClaim,
        stop_switch::StopSwitch,
    },
    report::Report,
    views::{
        self, outcome,
        progress::{LOOK_EVERY, Progress, Stopwatch},
    },
};

/// Runs a config to its end.
pub(super) fn run(
    args: &RunArgs,
    log: LogFormat,
    bars: &MultiProgress,
) -> Result<(), CommandError> {
    let watch = Stopwatch::start();
    let mut config = checked_config(&args.config, &args.overrides)?;
    config.pipeline.resume = args.resume.as_ref().map(|file| match file.to_str() {
        Some("latest") => Resume::Latest,
        _ => Resume::File(file.clone()),
    });
    if let Some(path) = &args.report {
        check_report_path(path)?;
    }
    in_system(Run { args, config, watch, log, bars: bars.clone() }.carry_out())
}

/// Does something in an actor system of its own, to its end.
pub(super) fn in_system<T>(what: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(what)
}

/// One run.
struct Run<'a> {
    args: &'a RunArgs,
    config: Config,
    watch: Stopwatch,
    log: LogFormat,
    bars: MultiProgress,
}

/// How the wait for the training ended.
enum Training {
    Done,
    Failed(JobError),
    Stopped,
}

impl Run<'_> {
    async fn carry_out(self) -> Result<(), CommandError> {
        let control = &self.config.control;
        let (claim, listener) = SocketClaim::listen(&control.socket)?;
        let stop = StopSwitch::on_signals().map_err(CommandError::System)?;
        let pipeline = Pipeline::start(self.config.pipeline.clone())?;
        let runtime = Runtime::new(pipeline.clone(), stop.clone());
        let pong = Pong::of_this_process(
            control.limits.line_bytes,
            self.config.pipeline.limits.image_bytes,
            self.config.pipeline.predict.deadline_ms,
        );
        let door = spawn_local(control_socket::serve(listener, runtime, pong, control.limits));
        tracing::info!(socket = %claim.path().display(), "control socket open");
        if let Some(plan) = self.args.chaos {
            pipeline.chaos(plan).map_err(CommandError::Chaos)?;
        }
        let result = self.train_and_serve(&pipeline, &stop).await;
        door.abort();
        result
    }

    async fn train_and_serve(
        &self,
        pipeline: &Pipeline,
        stop: &StopSwitch,
    ) -> Result<(), CommandError> {
        let view = self.follow(pipeline);
        let training = select! {
            result = pipeline.trained() => match result {
                Ok(()) => Training::Done,
                Err(error) => Training::Failed(error),
            },
            () = stop.asked() => Training::Stopped,
        };
        let training = match training {
            Training::Done => {
                view.end();
                self.show_outcome(pipeline)?;
                let served = self.serve(pipeline, stop).await;
                self.drain(pipeline, stop).await?;
                served.map(|()| Training::Done)?
            }
            Training::Failed(error) => {
                view.end();
                self.drain(pipeline, stop).await?;
                Training::Failed(error)
            }
            Training::Stopped => {
                tracing::info!("draining: what is accepted ends");
                self.drain(pipeline, stop).await?;
                view.end();
                self.was_it_finished(pipeline).await?
            }
        };
        Self::keep_quarantine(pipeline);
        self.write_report(pipeline)?;
        match training {
            Training::Done => self.say_goodbye(pipeline),
            Training::Failed(error) => Err(error.into()),
            Training::Stopped => {
                let status = pipeline.status();
                Err(CommandError::Unfinished { step: status.step, steps: status.steps })
            }
        }
    }

    /// Shows the progress until the view is ended: bars for people at a terminal, log lines for
    /// machines.
    fn follow(&self, pipeline: &Pipeline) -> View {
        let (log, watch) = (self.log, self.watch);
        let has_bars = log == LogFormat::Text && std::io::stderr().is_terminal();
        let progress = Rc::new(RefCell::new(Progress::new(&self.bars, has_bars)));
        let (looked_at, shown) = (pipeline.clone(), Rc::clone(&progress));
        let task = spawn_local(async move {
            let mut looks = interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                let status = looked_at.status();
                shown.borrow_mut().show(&status, watch.elapsed(), &mut |line| write(log, line));
            }
        });
        View { progress, task, pipeline: pipeline.clone(), log, watch }
    }

    /// Keeps what was set aside to be looked at; the result is worth more than that.
    fn keep_quarantine(pipeline: &Pipeline) {
        if let Err(error) = pipeline.keep_quarantine() {
            tracing::error!(cause = %error, "quarantine not kept");
        }
    }

    /// Shows and reports what the training has come to.
    fn show_outcome(&self, pipeline: &Pipeline) -> Result<(), CommandError> {
        Self::keep_quarantine(pipeline);
        let report = self.report(pipeline);
        views::answer(&outcome::screen(&report))?;
        if let Err(error) = self.write_report(pipeline) {
            // It is tried again at the end; until then predictions are worth more than a file.
            tracing::error!(cause = %error, "report not written");
        }
        Ok(())
    }

    /// Answers predictions until told to stop, unless this run ends with its training.
    async fn serve(&self, pipeline: &Pipeline, stop: &StopSwitch) -> Result<(), CommandError> {
        if self.args.exit {
            return Ok(());
        }
        let socket = self.config.control.socket.display();
        match self.log {
            LogFormat::Text => views::message(&format!(
                "answering predictions at {socket}: `planaria predict IMAGE`; Ctrl-C ends"
            )),
            LogFormat::Json => tracing::info!(%socket, "answering predictions"),
        }
        let mut looks = interval(LOOK_EVERY);
        loop {
            select! {
                () = stop.asked() => return Ok(()),
                _ = looks.tick() => match pipeline.status().phase {
                    Phase::Failed => return Err(CommandError::FailedServing),
                    Phase::Training | Phase::Serving | Phase::Draining | Phase::Stopped => {}
                },
            }
        }
    }

    /// Lets everything accepted end, unless a second signal says that it must not.
    async fn drain(&self, pipeline: &Pipeline, stop: &StopSwitch) -> Result<(), CommandError> {
        select! {
            () = pipeline.drain() => Ok(()),
            () = stop.insisted() => Err(CommandError::Interrupted),
        }
    }

    /// A stop may come when the last item is on its way: then the training is done all the same.
    async fn was_it_finished(&self, pipeline: &Pipeline) -> Result<Training, CommandError> {
        match pipeline.trained().await {
            Ok(()) => {
                self.show_outcome(pipeline)?;
                Ok(Training::Done)
            }
            Err(JobError::Stopped) => Ok(Training::Stopped),
            Err(error @ JobError::Failed { .. }) => Ok(Training::Failed(error)),
        }
    }

    fn report(&self, pipeline: &Pipeline) -> Report {
        let seconds = self.watch.elapsed().as_secs_f64();
        Report::new(&self.config.pipeline, seconds, pipeline.results())
    }

    fn write_report(&self, pipeline: &Pipeline) -> Result<(), CommandError> {
        let Some(path) = &self.args.report else { return Ok(()) };
        let json = self.report(pipeline).to_json();
        planaria_durable::whole_file::write(path, json.as_bytes())
            .map_err(|error| CommandError::Report(error.into()))
    }

    fn say_goodbye(&self, pipeline: &Pipeline) -> Result<(), CommandError> {
        if !self.args.exit {
            let items = outcome::items(&self.report(pipeline));
            views::answer(&format!("ended    {items}"))?;
        }
        Ok(())
    }
}

/// The progress of a run on stderr, until it is ended.
struct View {
    progress: Rc<RefCell<Progress>>,
    task: JoinHandle<()>,
    pipeline: Pipeline,
    log: LogFormat,
    watch: Stopwatch,
}

impl View {
    fn end(self) {
        self.task.abort();
        let status = self.pipeline.status();
        let mut progress = self.progress.borrow_mut();
        progress.end(&status, self.watch.elapsed(), &mut |line| write(self.log, line));
    }
}

/// Writes a plain line of progress in the form that logs have.
pub(super) fn write(log: LogFormat, line: &str) {
    match log {
        LogFormat::Text => views::message(line),
        LogFormat::Json => tracing::info!(line = line.trim(), "progress"),
    }
}

/// A report that cannot be written is better known before the training than after it.
pub(super) fn check_report_path(path: &Path) -> Result<(), CommandError> {
    let refuse = |what| Err(CommandError::ReportPath { path: PathBuf::from(path), what });
    if path.is_dir() {
        return refuse("is a folder: give the path of a file");
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            refuse("its folder does not exist: make it, or choose another path")
        }
        _ => Ok(()),
    }
}
