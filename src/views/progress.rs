//! A run as it goes: bars on a terminal, plain lines elsewhere. Reads copies of the status, four a
//! second.
//!
//! `Progress::show` is called with one status after the other and the time; it decides nothing but
//! what to write. On a terminal there is a line a stage and one for the epoch; elsewhere a line
//! when an epoch or a deployment is new, and a line every ten seconds in between: never more,
//! however fast the run.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use planaria_stages::status::{Phase, StageStatus, Status};
use std::time::{Duration, Instant};

use super::{count, counted, percent, status::phase};

/// How often a view looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often a plain line is written when nothing is new.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// The busy share shown is that of about the last two seconds: the weight of one look.
const NEWEST_WEIGHT: f64 = 0.12;

/// The wall clock of a run, for people: no result depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to count.
    #[allow(clippy::disallowed_methods, reason = "a view shows how long a run takes")]
    pub fn start() -> Self {
        Stopwatch(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Follows a run.
pub struct Progress {
    screen: Screen,
    /// Busy share of each stage, 0 to 1, smoothed; as long as there are stages.
    busy: Vec<f64>,
    /// What was seen at the last look: when, and the busy seconds of each stage.
    last: Option<(Duration, Vec<f64>)>,
}

enum Screen {
    Bars(Bars),
    Plain(Plain),
}

struct Bars {
    all: MultiProgress,
    stages: Vec<ProgressBar>,
    epoch: Option<ProgressBar>,
}

#[derive(Default)]
struct Plain {
    written: Duration,
    /// Phase, epoch and model version of the last line.
    seen: Option<(Phase, u32, u64)>,
}

impl Progress {
    /// Bars in `bars` when stderr is a terminal, plain lines otherwise.
    pub fn new(bars: &MultiProgress, is_terminal: bool) -> Self {
        let screen = if is_terminal {
            Screen::Bars(Bars { all: bars.clone(), stages: Vec::new(), epoch: None })
        } else {
            Screen::Plain(Plain::default())
        };
        Progress { screen, busy: Vec::new(), last: None }
    }

    /// Shows a status, `elapsed` after the start; plain lines go to `write`.
    pub fn show(&mut self, status: &Status, elapsed: Duration, write: &mut dyn FnMut(&str)) {
        self.measure(status, elapsed);
        match &mut self.screen {
            Screen::Bars(bars) => bars.show(status, &self.busy),
            Screen::Plain(plain) => {
                for line in plain.lines(status, elapsed, &self.busy) {
                    write(&line);
                }
            }
        }
    }

    /// Ends the view: bars go, so that what comes next stands alone; plain lines sum the stages up.
    pub fn end(&mut self, status: &Status, elapsed: Duration, write: &mut dyn FnMut(&str)) {
        match &mut self.screen {
            Screen::Bars(bars) => bars.clear(),
            Screen::Plain(_) => {
                let busy: Vec<f64> = status.stages.iter().map(busy_share).collect();
                write(&plain_line(status, elapsed));
                plain_stages(status, &busy).iter().for_each(|line| write(line));
            }
        }
    }

    /// Updates the busy shares from how much the busy seconds have grown since the last look.
    fn measure(&mut self, status: &Status, elapsed: Duration) {
        let now: Vec<f64> = status.stages.iter().map(|stage| stage.busy_seconds).collect();
        if let Some((then, before)) = &self.last {
            let seconds = elapsed.saturating_sub(*then).as_secs_f64();
            if seconds > 0.0 && before.len() == now.len() {
                let is_first = self.busy.len() != now.len();
                let weight = if is_first { 1.0 } else { NEWEST_WEIGHT };
                self.busy.resize(now.len(), 0.0);
                for (index, stage) in status.stages.iter().enumerate() {
                    let whole = seconds * stage.workers.len().max(1) as f64;
                    let share = ((now[index] - before[index]) / whole).clamp(0.0, 1.0);
                    self.busy[index] += weight * (share - self.busy[index]);
                }
            }
        }
        self.last = Some((elapsed, now));
    }
}

impl Bars {
    fn clear(&mut self) {
        self.stages.drain(..).chain(self.epoch.take()).for_each(|bar| bar.finish_and_clear());
    }

    fn show(&mut self, status: &Status, busy: &[f64]) {
        while self.stages.len() < status.stages.len() {
            let bar = self.all.insert(self.stages.len(), ProgressBar::no_length());
            bar.set_style(style("{msg}"));
            self.stages.push(bar);
        }
        for (index, (bar, stage)) in self.stages.iter().zip(&status.stages).enumerate() {
            bar.set_message(stage_line(stage, busy.get(index).copied()));
            bar.tick();
        }
        let epoch = self.epoch.get_or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(0));
            bar.set_style(style("{prefix} [{bar:30}] {msg}").progress_chars("=> "));
            bar
        });
        epoch.set_length(status.steps);
        epoch.set_position(status.step);
        epoch.set_prefix(format!("epoch {}/{}", status.epoch, status.epochs));
        epoch.set_message(run_line(status));
    }
}

/// A style of ours.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("our templates are constant and tested")
}

impl Plain {
    fn lines(&mut self, status: &Status, elapsed: Duration, busy: &[f64]) -> Vec<String> {
        let version = status.model.as_ref().map_or(0, |model| model.version);
        let new = (status.phase, status.epoch, version);
        let is_new = self.seen != Some(new);
        if !is_new && elapsed < self.written + PLAIN_EVERY {
            return Vec::new();
        }
        let before = self.seen.replace(new);
        self.written = elapsed;
        let mut lines = vec![plain_line(status, elapsed)];
        // How the stages did is said once an epoch, and when the phase changes.
        if before.is_some_and(|(phase, epoch, _)| (phase, epoch) != (status.phase, status.epoch)) {
            lines.extend(plain_stages(status, busy));
        }
        lines
    }
}

/// A run in one line that says when.
fn plain_line(status: &Status, elapsed: Duration) -> String {
    let (seconds, phase) = (elapsed.as_secs_f64(), phase(status.phase));
    let (epoch, epochs, run) = (status.epoch, status.epochs, run_line(status));
    format!("{seconds:>6.1} s  {phase} epoch {epoch}/{epochs}  {run}")
}

/// A line for every stage.
fn plain_stages(status: &Status, busy: &[f64]) -> Vec<String> {
    let stages = status.stages.iter().enumerate();
    let line = |(index, stage)| stage_line(stage, busy.get(index).copied());
    stages.map(|stage| format!("          {}", line(stage))).collect()
}

/// The share of its workers' time that a stage has spent in work since the start.
fn busy_share(stage: &StageStatus) -> f64 {
    let whole = stage.busy_seconds + stage.waited_seconds;
    if whole > 0.0 { stage.busy_seconds / whole } else { 0.0 }
}

/// A stage in one line: name, workers, items committed, mailbox, busy share.
fn stage_line(stage: &StageStatus, busy: Option<f64>) -> String {
    let mailbox = format!("{}/{}", stage.mailbox.filled, stage.mailbox.capacity);
    let busy = busy.map_or("-".into(), |share| format!("{:.0} %", share * 100.0));
    let mut line = format!(
        "{:<10} {:>3} {:<7} {:>9} committed  mailbox {mailbox:>11}  busy {busy:>5}",
        stage.name,
        stage.workers.len(),
        if stage.workers.len() == 1 { "worker" } else { "workers" },
        count(stage.items.committed),
    );
    if stage.restarts > 0 {
        line.push_str(&format!("  {}", counted(stage.restarts, "restart", "restarts")));
    }
    line
}

/// The run in one line: steps, loss, speed, deaths, model.
fn run_line(status: &Status) -> String {
    let mut line = format!("step {}/{}", count(status.step), count(status.steps));
    if let Some(loss) = status.loss {
        line.push_str(&format!("  loss {loss:.4}"));
    }
    if status.samples_per_second > 0.0 {
        line.push_str(&format!("  {} samples/s", count(status.samples_per_second as u64)));
    }
    if let Some(model) = &status.model {
        line.push_str(&format!("  model {} at {}", model.version, percent(model.accuracy)));
    }
    if status.failures > 0 {
        let deaths = counted(status.failures, "death", "deaths");
        let restarts = counted(status.restarts, "restart", "restarts");
        line.push_str(&format!("  {deaths}, {restarts}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::training;
    use super::*;

    /// The lines that a plain view writes for one status every 250 ms.
    fn written(statuses: &[Status]) -> Vec<String> {
        let mut progress = Progress::new(&MultiProgress::new(), false);
        let mut lines = Vec::new();
        for (look, status) in (0..).zip(statuses) {
            progress.show(status, LOOK_EVERY * look, &mut |line| lines.push(line.to_owned()));
        }
        lines
    }

    #[test]
    fn a_plain_view_writes_a_line_when_something_is_new_and_not_more() {
        let lines = written(&vec![training(); 30]);
        let line = "   0.0 s  training epoch 2/10  step 512/4,680  loss 0.0813  5,210 samples/s  1 death, 1 restart";
        assert_eq!(lines, [line]);
    }

    #[test]
    fn a_plain_view_says_every_ten_seconds_that_it_lives() {
        assert_eq!(written(&vec![training(); 81]).len(), 3);
    }

    #[test]
    fn a_plain_view_sums_the_stages_up_when_an_epoch_is_over() {
        let mut next = training();
        next.epoch = 3;
        let lines = written(&[training(), next]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].contains("train        2 workers     1,195 committed"), "{}", lines[2]);
    }

    #[test]
    fn a_plain_view_ends_with_how_every_stage_did_from_the_start() {
        let mut progress = Progress::new(&MultiProgress::new(), false);
        let mut lines = Vec::new();
        progress.end(&training(), Duration::from_secs(9), &mut |line| lines.push(line.to_owned()));
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("   9.0 s  training epoch 2/10"), "{}", lines[0]);
        assert!(lines[1].contains("busy  90 %  1 restart"), "{}", lines[1]);
    }

    #[test]
    fn every_bar_can_be_drawn() {
        let bars = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden());
        let mut progress = Progress::new(&bars, true);
        progress.show(&training(), Duration::ZERO, &mut |line| panic!("no plain line: {line}"));
        progress.end(&training(), Duration::ZERO, &mut |line| panic!("no plain line: {line}"));
    }
}
