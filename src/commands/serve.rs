//! `planaria serve`: a runtime that waits for jobs, and finishes those that the last one has left.

use planaria_journal::JobState;
use tokio::task::spawn_local;

use super::{CommandError, checked_config, run};
use crate::{
    cli::{LogFormat, ServeArgs},
    config::Config,
    doors::{
        control_calls::Pong, control_socket, runtime::JobRuntime, socket_path::SocketClaim,
        stop_switch::StopSwitch,
    },
    jobs::{Desk, StateFolder, runner::Runner, state::Recovered},
    views,
};

/// Serves until told to stop.
pub(super) fn serve(args: &ServeArgs, log: LogFormat) -> Result<(), CommandError> {
    let config = checked_config(&args.config, &args.overrides)?;
    run::in_system(carry_out(&config, args.until_idle, log))
}

async fn carry_out(config: &Config, until_idle: bool, log: LogFormat) -> Result<(), CommandError> {
    let control = &config.control;
    // Who connects from now on waits until the recovery is over.
    let (claim, listener) = SocketClaim::listen(&control.socket)?;
    let state = StateFolder::open(&config.pipeline.state_dir)?;
    let recovered = state.recover(&config.jobs)?;
    for line in found(&recovered) {
        run::write(log, &line);
    }
    let stop = StopSwitch::on_signals().map_err(CommandError::System)?;
    let desk = Desk::new(state, config.jobs.clone());
    let runtime = JobRuntime::new(desk.clone(), stop.clone());
    let limits = &config.pipeline.limits;
    let deadline_ms = config.pipeline.predict.deadline_ms;
    let pong = Pong::of_this_process(control.limits.line_bytes, limits.image_bytes, deadline_ms);
    let door = spawn_local(control_socket::serve(listener, runtime, pong, control.limits));
    let place = claim.path().display();
    run::write(
        log,
        &format!("waiting for jobs at {place}: `planaria submit JOB.toml`; Ctrl-C ends"),
    );
    let ended = Runner::new(desk.clone(), stop.clone(), until_idle).run().await;
    desk.close();
    door.abort();
    let is_insisted = stop.is_insisted();
    match ended {
        Ok(()) if is_insisted => Err(CommandError::Interrupted),
        Ok(()) => Ok(()),
        Err(error) => Err(CommandError::Journal(error)),
    }
}

/// What a new life has found, for people.
fn found(recovered: &Recovered) -> Vec<String> {
    let Recovered { found, counts, swept } = recovered;
    let mut lines = Vec::new();
    let ids = |ids: &[planaria_journal::JobId]| {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        ids.join(", ")
    };
    if !found.resumed.is_empty() {
        lines.push(format!("the last runtime died in job {}: it goes on", ids(&found.resumed)));
    }
    if !found.set_aside.is_empty() {
        lines.push(format!(
            "job {} is set aside: the runtime died in it again and again; `planaria retry` tries it again",
            ids(&found.set_aside)
        ));
    }
    if !found.as_asked.is_empty() {
        lines.push(format!("job {} was cancelled or paused, as asked", ids(&found.as_asked)));
    }
    let count = |state| counts.get(&state).copied().unwrap_or(0);
    let ended: u64 = counts.iter().filter(|(state, _)| state.is_ended()).map(|(_, n)| n).sum();
    let swept = match swept {
        0 => String::new(),
        swept => format!(", {} swept", views::counted(*swept, "leftover", "leftovers")),
    };
    lines.push(format!(
        "jobs: {} waiting, {} paused, {ended} ended{swept}",
        count(JobState::Queued),
        count(JobState::Paused),
    ));
    lines
}
