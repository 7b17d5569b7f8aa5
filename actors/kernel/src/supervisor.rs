//! The supervisor: it starts, watches and restarts workers. It holds nothing: what it knows is in the core, so it may
//! die as well, and its next incarnation compares the state with who is alive.

use crate::{
    failpoint::{Failpoint, Interrupt},
    host::SupervisorHost,
    messages::{Action, SupervisorEvent},
};

/// The life of a supervisor, until every worker has stopped.
pub async fn run<H: SupervisorHost>(host: H) -> Result<(), Interrupt> {
    host.reach(Failpoint::Started).await?;
    // First the living, then the ended: who ends in between is in the second list, so nobody is missed and started twice.
    let mut alive: Vec<_> = host.pulses().into_iter().map(|pulse| pulse.worker).collect();
    alive.extend(host.exits().into_iter().map(|(worker, _)| worker));
    let actions = host.decide(SupervisorEvent::Began { alive });
    perform(&host, actions).await?;
    loop {
        // Before the first wait as well: what the last supervisor was woken for, nobody will be woken for again.
        for (worker, exit) in host.exits() {
            let actions = host.decide(SupervisorEvent::Exited { worker, exit });
            perform(&host, actions).await?;
            host.forget_exit(worker);
        }
        let actions = host.decide(SupervisorEvent::Tick { pulses: host.pulses() });
        perform(&host, actions).await?;
        if host.is_over() {
            return Ok(());
        }
        host.wait().await;
        host.reach(Failpoint::Waiting).await?;
    }
}

async fn perform<H: SupervisorHost>(host: &H, actions: Vec<Action>) -> Result<(), Interrupt> {
    for action in actions {
        host.reach(Failpoint::BetweenDecisionAndAction).await?;
        host.perform(action);
    }
    Ok(())
}
