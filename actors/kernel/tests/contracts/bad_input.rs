//! What cannot be built is refused in words; what can be built and goes wrong hangs nothing and loses nothing.

use crate::support::*;
use planaria_kernel::{
    ActixHost, Core, ExitCause, Incarnation, Intensity, ItemId, PlanError, PoolPlan, SlotId,
    StageId, WorkerId,
    messages::{Reply, Request},
};
use std::time::Duration;

type Spoil = fn(&mut PoolPlan);

fn refused(plans: Vec<PoolPlan>) -> PlanError {
    Core::new(plans, &supervision(), Relay::new(1)).expect_err("it cannot be built")
}

#[test]
fn a_number_that_is_zero_is_refused_by_its_name() {
    let faults: [(&str, Spoil); 7] = [
        ("window", |plan| plan.window = 0),
        ("mailbox", |plan| plan.mailbox = 0),
        ("shards", |plan| plan.shards = 0),
        ("hang_after_ms", |plan| plan.hang_after_ms = 0),
        ("attempts_max", |plan| plan.attempts_max = 0),
        ("intensity.window_ms", |plan| plan.intensity.window_ms = 0),
        ("workers", |plan| plan.workers = 0),
    ];
    for (what, spoil) in faults {
        let mut plans = plans(2);
        spoil(&mut plans[1]);
        assert_eq!(refused(plans), PlanError::Zero { stage: "second", what });
    }
}

#[test]
fn impossible_plans_are_refused_before_anything_starts() {
    assert_eq!(refused(Vec::new()), PlanError::NoStages);
    let mut same = plans(1);
    same[2].name = "first";
    assert_eq!(refused(same), PlanError::SameName { stage: "first" });
    let mut backoff = plans(1);
    backoff[0].intensity = Intensity { backoff_min_ms: 6, ..intensity(1) };
    assert_eq!(refused(backoff), PlanError::Backoff { stage: "first" });
    let workers = PlanError::TooMany { what: "workers", limit: 4096 };
    assert_eq!(refused(vec![plan("crowd", 4097)]), workers);
    let crowd = vec![plan("same", 1); usize::from(u16::MAX) + 1];
    assert_eq!(refused(crowd), PlanError::TooMany { what: "stages", limit: 65_535 });
    let started = actix_rt::System::new().block_on(async {
        ActixHost::start(plans(1), supervision(), vec![mixer()], Relay::new(1), Relay::admit).err()
    });
    assert_eq!(started, Some(PlanError::Makers { stages: 3, makers: 1 }));
}

#[test]
fn a_pool_cannot_be_scaled_to_nobody_or_to_a_crowd() {
    let mut core = Core::new(plans(2), &supervision(), Relay::new(1)).expect("sound");
    let zero = PlanError::Zero { stage: "third", what: "workers" };
    assert_eq!(core.scale(StageId(2), 0, 0), Err(zero));
    let many = PlanError::TooMany { what: "workers", limit: 4096 };
    assert_eq!(core.scale(StageId(2), 4097, 0), Err(many));
    let unknown = PlanError::UnknownStage { stage: StageId(3), stages: 3 };
    assert_eq!(core.scale(StageId(3), 1, 0), Err(unknown));
    assert_eq!(core.pools()[2].wanted(), 2, "nothing has changed");
}

#[test]
fn a_panic_of_who_only_reads_harms_nobody() {
    actix_rt::System::new().block_on(async {
        let host = start(plans(1), vec![mixer(); 3], Relay::new(100));
        let reading = host.clone();
        let reader = std::thread::spawn(move || reading.read(|_| panic!("a reader's own fault")));
        assert!(reader.join().is_err(), "the panic is the reader's");
        done(&host).await;
        each_item_ended_once(&host);
        end(&host).await;
    });
}

#[test]
fn an_acknowledgement_for_an_item_never_leased_is_dropped_and_counted() {
    let mut core = Core::new(plans(1), &supervision(), Relay::new(5)).expect("sound");
    core.update(0, &mut Vec::new(), Relay::admit);
    let slot = SlotId { stage: StageId(0), index: 0 };
    for (n, item) in [0, 4, 5, u64::MAX].into_iter().enumerate() {
        let stranger = WorkerId { slot, incarnation: Incarnation(1 + n as u32) };
        let request = Request::Acknowledge { item: ItemId(item), output: 1, busy: Duration::ZERO };
        let reply = core.pull(stranger, request, 0, &mut Vec::new());
        assert!(matches!(reply, Reply::End), "nobody was started: who asks is to end");
    }
    let counts = core.pools()[0].ledger().counts();
    assert_eq!((counts.committed, counts.fenced_duplicates, counts.ready), (0, 4, 5));
}

#[test]
fn a_million_shards_work() {
    let expected = undisturbed(300);
    actix_rt::System::new().block_on(async {
        let mut plans = plans(2);
        plans[1].shards = 1_000_000;
        let host = start(plans, vec![mixer(); 3], Relay::new(300));
        done(&host).await;
        each_item_ended_once(&host);
        assert_eq!(values(&host), expected);
        end(&host).await;
    });
}

#[test]
fn a_stage_whose_every_item_panics_makes_dead_letters_and_the_others_go_on() {
    actix_rt::System::new().block_on(async {
        let panicking = maker(|_, item, _, _| panic!("cannot stomach {}", item.0));
        let mut flow = Relay::new(100);
        flow.bypass = true;
        let host = start(plans(2), vec![mixer(), panicking, mixer()], flow);
        done(&host).await;
        each_item_ended_once(&host);
        let mut given_up = host.read(|core| core.flow().given_up.clone());
        given_up.sort_by_key(|(_, item, _)| *item);
        let items: Vec<u64> = given_up.iter().map(|(_, item, _)| item.0).collect();
        assert_eq!(items, (0..50).map(|n| 2 * n).collect::<Vec<_>>(), "even items go that way");
        for (stage, item, cause) in given_up {
            assert_eq!(stage, StageId(1));
            let words = format!("cannot stomach {}", item.0);
            assert!(matches!(cause, ExitCause::Panic(said) if said.contains(&words)));
        }
        let counts = host.read(|core| core.pools()[1].ledger().counts());
        assert_eq!((counts.dead_lettered, counts.committed), (50, 0));
        assert!(counts.redelivered >= 50 * 3, "each had its three attempts");
        let last = host.read(|core| core.pools()[2].ledger().counts().committed);
        assert_eq!(last, 50, "odd items pass by");
        end(&host).await;
    });
}
