//! What supervision cannot handle ends the pipeline and says why.

use crate::support::*;
use planaria_kernel::{
    ActixHost, Death, Escalation, Event, ExitCause, MakeWorker, Supervision, Target, WorkerError,
};
use std::time::Duration;

async fn escalation(host: &ActixHost<Relay>) -> Escalation {
    let ended = tokio::time::timeout(PATIENCE, host.ended()).await;
    let escalation = ended.expect("it ends").expect("a failure ended it");
    let told = |event: &Event| matches!(event, Event::Escalated { reason } if *reason == escalation.to_string());
    assert!(events(host).iter().any(told), "the event says the same");
    escalation
}

fn failing() -> MakeWorker<Relay> {
    maker(|_, _, _, _| Err(WorkerError::Failed("no luck".to_owned())))
}

#[test]
fn one_restart_more_than_the_intensity_allows_ends_the_pipeline() {
    actix_rt::System::new().block_on(async {
        let mut plans = plans(1);
        plans[1].intensity = intensity(3);
        plans[1].attempts_max = 1_000;
        let host = start(plans, vec![mixer(), failing(), mixer()], Relay::new(100));
        let cause = ExitCause::Error("no luck".to_owned());
        let expected = Escalation::TooManyRestarts { stage: "second", slot: 1, cause };
        assert_eq!(escalation(&host).await, expected);
        let died = events(&host).iter().filter(|e| matches!(e, Event::Died { .. })).count();
        assert_eq!(died, 4, "three restarts are allowed, the fourth death escalates");
        let lost = host.read(|core| core.pools()[1].ledger().counts());
        assert_eq!(lost.leased, 0, "what the dead held is ready again");
        assert_eq!(lost.accepted, lost.ready + lost.committed);
    });
}

#[test]
fn more_abandoned_threads_than_allowed_end_the_pipeline() {
    actix_rt::System::new().block_on(async {
        let hanging = maker(|_, _, _, pulse| {
            while !pulse.is_fenced() {
                std::thread::sleep(Duration::from_millis(1));
            }
            // A zombie that does not end at once: it is counted meanwhile.
            std::thread::sleep(Duration::from_millis(700));
            Ok(0)
        });
        let mut plans = plans(2);
        plans[1].hang_after_ms = 100;
        plans[1].attempts_max = 1_000;
        let supervision = Supervision { abandoned_threads_max: 1, ..supervision() };
        let makers = vec![mixer(), hanging, mixer()];
        let host = ActixHost::start(plans, supervision, makers, Relay::new(100), Relay::admit);
        let escalation = escalation(&host.expect("the plans are sound")).await;
        assert!(matches!(escalation, Escalation::TooManyAbandonedThreads { abandoned: 2.. }));
    });
}

#[test]
fn a_supervisor_that_dies_too_often_ends_the_pipeline() {
    actix_rt::System::new().block_on(async {
        let supervision = Supervision { intensity: intensity(2), ..supervision() };
        let makers = vec![mixer(); 3];
        let host = ActixHost::start(plans(1), supervision, makers, Relay::new(100), Relay::admit)
            .expect("the plans are sound");
        done(&host).await;
        until("the third death of the supervisor", || {
            host.kill(Target::Supervisor, Death::Panic);
            host.read(|core| core.escalation().is_some())
        })
        .await;
        assert!(matches!(escalation(&host).await, Escalation::Supervisor { .. }));
        assert_eq!(host.supervisor_restarts(), 3);
        each_item_ended_once(&host);
    });
}
